"""Serve's own headers, which its proxy would read before anybody asks for a key."""

import asyncio

import pytest

from calcgen_ray.serving.ahead import Ahead
from calcgen_ray.serving.front import Sieve, middlewares


def passed(headers=(), path="/v1/models", answer=()):
    """The headers that the application sees, None if it is not asked; what goes back."""
    seen, sent = [None], []

    async def app(scope, receive, send):
        seen[0] = scope["headers"]
        await send({"type": "http.response.start", "status": 200, "headers": list(answer)})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": list(headers)}
    asyncio.run(Sieve(app)(scope, None, send))
    return seen[0], sent[0]


@pytest.mark.parametrize(
    "name",
    ["X-Request-Timeout-Seconds", "x-request-disconnect-disabled", "serve_multiplexed_model_id",
     "Serve-Multiplexed-Model-Id", "x-session-id", "X_Session_Id"],
)  # fmt: skip
def test_serves_own_headers_do_not_reach_it(name):
    other = (b"authorization", b"Bearer x")
    for value in (b"1", b"\xff"):
        seen, _ = passed([(name.encode(), value), other])
        assert seen == [other]


@pytest.mark.parametrize("ident", [b"\xff", b"", b"a b", b"x" * 129])
def test_an_id_that_is_not_plain_does_not_reach_it(ident):
    assert passed([(b"x-request-id", ident)])[0] == []
    assert passed([(b"X-Request-Id", b"a-1")])[0] == [(b"X-Request-Id", b"a-1")]


def test_an_answer_has_one_id():
    answer = [(b"x-request-id", b"a"), (b"date", b"now"), (b"X-Request-ID", b"a")]
    _, sent = passed(answer=answer)
    assert sorted(sent["headers"]) == [(b"date", b"now"), (b"x-request-id", b"a")]


def test_routes_are_not_listed():
    seen, sent = passed(path="/-/routes")
    assert seen is None and sent["status"] == 404
    assert passed(path="/-/healthz")[0] == []


def test_a_proxy_runs_the_sieve_first():
    """Each wraps those before it."""
    from ray.serve._private.http_util import validate_http_proxy_callback_return

    taken = validate_http_proxy_callback_return(middlewares())
    assert [one.cls for one in taken] == [Ahead, Sieve]
