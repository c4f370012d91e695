"""A batcher for asyncio: whole completions, or their pieces as they come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Literal

from calcgen_ray.errors import InputError
from calcgen_ray.generate.batching import Batching
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.job import Job, Ticket
from calcgen_ray.generate.rows import Row, finish
from calcgen_ray.generate.streaming import GrowingText
from calcgen_ray.problem import Completion
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.metrics import Clock

LOG = logging.getLogger("calcgen.serving")


@dataclass(frozen=True, slots=True)
class Piece:
    """More text of row `place`; the last one has the reason why the row ended."""

    place: int
    text: str
    finish_reason: Literal["stop", "length"] | None = None


async def complete(
    batcher: Batching, prompts: Sequence[Row], params: SamplingParams, clock: Clock
) -> tuple[list[list[Completion]], list[Job]]:
    """`params.n` completions for each prompt, and the rows that they were made in.

    Raises:
        ApiError: the engine failed.
    """
    jobs: list[Job] = []
    async with aclosing(_tokens(batcher, prompts, params, clock, every=False)) as stream:
        async for ticket, _, _ in stream:
            jobs = list(ticket.jobs)
    clock.all_of_them(sum(len(job.ids) for job in jobs))
    for job in jobs:
        _raise(job)
    tokenizer = batcher.tokenizer
    done = [finish(tokenizer, job.row, job.ids, params) for job in jobs]
    groups = [done[i : i + params.n] for i in range(0, len(done), params.n)]
    return groups, jobs


async def pieces(
    batcher: Batching, prompts: Sequence[Row], params: SamplingParams, clock: Clock
) -> AsyncGenerator[Piece, None]:
    """The same as it grows: never half a character, never a part of a stop string."""
    texts: dict[int, GrowingText] = {}
    async with aclosing(_tokens(batcher, prompts, params, clock)) as stream:
        async for ticket, place, token in stream:
            growing = texts.get(place)
            if growing is None:
                growing = texts[place] = GrowingText(batcher.tokenizer, params.stop)
            if token is not None:
                if text := growing.add(token):
                    yield Piece(place, text)
                continue
            job = ticket.jobs[place]
            _raise(job)
            last = growing.end()
            short = growing.stopped or len(job.ids) < job.row.limit
            yield Piece(place, last, "stop" if short else "length")


async def _tokens(
    batcher: Batching,
    prompts: Sequence[Row],
    params: SamplingParams,
    clock: Clock,
    *,
    every: bool = True,
) -> AsyncGenerator[tuple[Ticket, int, int | None], None]:
    """(ticket, row, token), None for a row's end; leaving early ends every row.

    Args:
        every: else only a row's first token and its end are told, so that the loop is not woken
            for tokens that nobody waits for.
    """
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[tuple[int, int | None]]()

    def sink(place: int, token: int | None) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it who listens
            loop.call_soon_threadsafe(queue.put_nowait, (place, token))

    try:
        ticket = batcher.submit(prompts, params, sink, every=every)
    except InputError as error:  # it was closed, or does not start again
        raise ApiError(503, str(error)) from None
    left = len(ticket.jobs)
    try:
        while left:
            place, token = await queue.get()
            if token is None:
                left -= 1
            else:
                clock.token(ticket.jobs[place].begun)
            yield ticket, place, token
    finally:
        ticket.cancel()


def _raise(job: Job) -> None:
    if isinstance(job.error, InputError):
        raise ApiError(503, str(job.error))
    if job.error is not None:
        LOG.error("the engine failed: %s", job.error)
        raise ApiError(500, "the engine failed on this request; its log says why")
