"""Streams that are left: whatever they held is free at once."""

import asyncio

import pytest

from calcgen_ray.serving import sse
from calcgen_ray.serving.answers import Head, text_chunk
from calcgen_ray.serving.metrics import Metrics
from calcgen_ray.serving.sse import Stream


def test_a_stream_whose_client_left_within_a_send_is_closed_at_once():
    told = []

    async def events():
        try:
            while True:
                yield b"data: x\n\n"
        finally:
            told.append("closed")

    async def stuck(message):
        if message["type"] == "http.response.body":
            await asyncio.sleep(3600)

    async def leave():
        stream = Stream(events(), lambda: told.append("done"))
        scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
        task = asyncio.create_task(stream(scope, None, stuck))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told == ["closed", "done"]

    asyncio.run(leave())


def test_a_stream_that_waits_for_its_next_piece_can_be_closed(monkeypatch):
    told = []

    async def pieces():
        try:
            await asyncio.sleep(3600)
            yield None
        finally:
            told.append("closed")

    async def leave():
        head = Head.new("text_completion", "tiny", "0")
        clock = Metrics(lambda: None).timed()
        with clock as running:
            events = sse.stream(head, pieces(), text_chunk, running, first=[], asked=1,
                                include_usage=False)  # fmt: skip
            assert await anext(events) == b": ping\n\n"
            await events.aclose()
        assert told == ["closed"]

    monkeypatch.setattr(sse, "PING_SECONDS", 0.01)
    asyncio.run(leave())


def test_a_stream_that_never_began_is_still_ended():
    done = []

    async def events():
        raise AssertionError("asked for")
        yield b""

    async def gone(*_):
        raise OSError("the client has gone")

    with pytest.raises((OSError, ExceptionGroup)):
        asyncio.run(Stream(events(), lambda: done.append(1))({"type": "http"}, gone, gone))
    assert done == [1]
