"""Bodies that travel with their requests: whole small ones, and nothing is lost of the others."""

import asyncio

import pytest

from calcgen_ray.serving import ahead
from calcgen_ray.serving.ahead import Ahead, body_of

POST = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}


def part(body, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


def passed(messages, scope=POST, pause=0.0):
    """What the application behind the middleware sees: the body ahead, and what it receives."""
    seen = {}

    async def receive():
        await asyncio.sleep(pause)
        return messages.pop(0) if messages else GONE

    async def app(scope, receive, send):
        seen["ahead"], seen["messages"] = body_of(scope), [await receive()]
        while seen["messages"][-1] != GONE:
            seen["messages"].append(await receive())

    async def send(message): ...

    asyncio.run(Ahead(app)(scope, receive, send))
    return seen["ahead"], seen["messages"]


@pytest.mark.parametrize("body", [b"", b"{}", b"x" * ahead.SMALL_BYTES])
def test_a_small_body_is_there_with_its_head_and_is_received_as_ever(body):
    assert passed([part(body)]) == (body, [part(body), GONE])


@pytest.mark.parametrize(
    "messages",
    [
        [part(b"x" * (ahead.SMALL_BYTES + 1))],
        [part(b"{", more=True), part(b"}")],
        [],
    ],
)
def test_what_is_large_or_not_whole_goes_the_long_way(messages):
    assert passed(list(messages)) == (None, [*messages, GONE])


def test_what_comes_late_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(ahead, "WAIT_SECONDS", 0.01)
    assert passed([part(b"{}")], pause=0.1) == (None, [part(b"{}"), GONE])


@pytest.mark.parametrize("scope", [POST | {"method": "GET"}, {"type": "websocket"}])
def test_other_requests_are_left_alone(scope):
    assert passed([part(b"")], scope) == (None, [part(b""), GONE])


def test_an_application_that_does_not_read_leaves_no_task():
    async def receive():
        await asyncio.sleep(60)

    async def app(scope, receive, send): ...

    async def ask():
        await Ahead(app)(POST, receive, None)
        await asyncio.sleep(0)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert not asyncio.run(ask())
