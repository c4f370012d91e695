"""A streamed answer: server-sent events, a sign of life each 15 s, errors as events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from anyio import CancelScope
from starlette.responses import StreamingResponse

from calcgen_ray.serving.answers import Head, event, usage
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.generation import Piece
from calcgen_ray.serving.metrics import Clock

PING_SECONDS = 15.0
DONE = b"data: [DONE]\n\n"
Chunk = Callable[[Head, int, str, str | None], dict[str, Any]]


class Stream(StreamingResponse):
    """Events, and what is done after them, also where the first was never asked for.

    The events' generator is closed first: one that is left in the middle, because its client is
    gone, would hold its rows until it is collected.
    """

    def __init__(self, events: AsyncGenerator[bytes, None], done: Callable[[], None]) -> None:
        super().__init__(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )
        self._events, self._done = events, done

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                try:
                    await self._events.aclose()
                finally:
                    self._done()


async def stream(
    head: Head,
    pieces: AsyncGenerator[Piece, None],
    chunk: Chunk,
    clock: Clock,
    *,
    first: Sequence[dict[str, Any]],
    asked: int,
    include_usage: bool,
) -> AsyncGenerator[bytes, None]:
    """The events of an answer.

    Args:
        first: bodies of chunks that come before all others.
        asked: tokens of the prompts.
    """
    for body in first:
        yield event(body)
    try:
        async with aclosing(_alive(pieces)) as alive:
            async for piece in alive:
                if piece is None:
                    yield b": ping\n\n"
                else:
                    yield event(chunk(head, piece.place, piece.text, piece.finish_reason))
    except ApiError as error:
        yield event(error.body())
        return
    if include_usage:
        yield event(head.body(choices=[], usage=usage(asked, clock.tokens)))
    yield DONE


async def _alive(pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece | None, None]:
    """The pieces, and None whenever nothing has come for `PING_SECONDS`."""
    pending: asyncio.Task[Piece] | None = None
    try:
        while True:
            if pending is None:
                pending = asyncio.ensure_future(anext(pieces))  # type: ignore[arg-type]
            done, _ = await asyncio.wait({pending}, timeout=PING_SECONDS)
            if not done:
                yield None
                continue
            try:
                piece = pending.result()
            except StopAsyncIteration:
                pending = None
                return
            pending = None
            yield piece
    finally:
        if pending is not None:
            pending.cancel()
            await asyncio.wait({pending})  # a generator that runs cannot be closed
        await pieces.aclose()
