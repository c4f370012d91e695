"""A request to sample, from its prompts to the body or the events that go back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fastapi.responses import JSONResponse, Response

from calcgen_ray.errors import InputError
from calcgen_ray.generate.job import Job
from calcgen_ray.generate.rows import Prompt, Row
from calcgen_ray.problem import Completion
from calcgen_ray.serving import answers, generation, scores, sse
from calcgen_ray.serving.answers import Choice, Head
from calcgen_ray.serving.backend import Backend
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.limits import CompletionRequest, SamplingRequest
from calcgen_ray.serving.loading import Model
from calcgen_ray.serving.metrics import Clock
from calcgen_ray.serving.verifying import verified

SHORT_CHARACTERS = 2_000
"""Prompts that take a thread longer to reach than to tokenise: some 2 ms."""

Value = TypeVar("Value")


@dataclass(slots=True)
class Task:
    """A request to sample. `extras` are the fields that only `/v1/completions` has, `rows` the
    prompts as tokens."""

    backend: Backend
    model: Model
    wanted: SamplingRequest
    kind: str
    prompts: Sequence[Prompt]
    extras: CompletionRequest | None = None
    rows: Sequence[Row] = ()

    @property
    def head(self) -> Head:
        stream = ".chunk" if self.wanted.stream and self.kind == "chat.completion" else ""
        return Head.new(self.kind + stream, self.wanted.model or self.model.id, self.model.digest)

    @property
    def asked(self) -> int:
        """Tokens of the prompts."""
        return sum(len(row.prompt_ids) for row in self.rows)


async def answer(task: Task, stack: ExitStack) -> Response:
    """What goes back; `stack` is closed, here or by the caller, once nothing follows.

    Raises:
        ApiError: the request cannot be served, or too many are.
    """
    backend = task.backend
    if task.wanted.calcgen.verify:
        backend.code_runner()
    backend.enter()
    stack.callback(backend.leave)
    task.rows = await _read_prompts(task)
    backend.metrics.tokens_in.inc(task.asked)
    if task.wanted.stream:
        return sse.Stream(_streamed(task), stack.pop_all().close)
    with backend.metrics.timed() as clock:
        return JSONResponse(await _whole(task, clock))


async def _read_prompts(task: Task) -> list[Row]:
    """The prompts as tokens, refused before anything is queued."""
    batcher, sampling = task.model.batcher, task.wanted.sampling

    def rows() -> list[Row]:
        return [batcher.row(prompt, sampling) for prompt in task.prompts]

    try:
        if sum(map(len, task.prompts)) <= SHORT_CHARACTERS:
            return rows()
        return await asyncio.get_running_loop().run_in_executor(task.backend.readers, rows)
    except InputError as error:
        param = str(error).split(":")[0]
        raise ApiError(400, str(error), param if param.isidentifier() else None) from None


async def _streamed(task: Task) -> AsyncGenerator[bytes, None]:
    wanted = task.wanted
    with task.backend.metrics.timed() as clock:
        pieces = generation.pieces(task.model.batcher, task.rows, wanted.sampling, clock)
        head = task.head
        chunk = answers.text_chunk if task.extras is not None else answers.chat_chunk
        options = wanted.stream_options
        events = sse.stream(
            head, pieces, chunk, clock, first=_beginning(task, head), asked=task.asked,
            include_usage=options is not None and options.include_usage,
        )  # fmt: skip
        async with aclosing(events):
            async for event in events:
                yield event


def _beginning(task: Task, head: Head) -> list[dict[str, Any]]:
    """The chunks before the first token: the role in a chat, the prompts where they are echoed."""
    if task.extras is None:
        return [answers.chat_beginning(head, place) for place in range(task.wanted.n)]
    many = [row.prompt for row in task.rows for _ in range(task.wanted.n)]
    echoed = enumerate(many if task.extras.echo else ())
    return [answers.text_chunk(head, place, prompt, None) for place, prompt in echoed if prompt]


async def _whole(task: Task, clock: Clock) -> dict[str, Any]:
    wanted, extras = task.wanted, task.extras
    if extras is not None and extras.max_tokens == 0:
        return await _scored_prompts(task, extras)
    groups, jobs = await generation.complete(task.model.batcher, task.rows, wanted.sampling, clock)
    choices: list[Choice] = []
    for number, (row, group) in enumerate(zip(task.rows, groups, strict=True)):
        own = jobs[number * len(group) : (number + 1) * len(group)]
        choices += await _chosen(task, row.prompt, group, own)
    used = answers.usage_of(groups)
    make = answers.text_completion if extras is not None else answers.chat_completion
    return make(task.head, choices, used)


async def _chosen(
    task: Task, prompt: str, group: Sequence[Completion], jobs: Sequence[Job]
) -> list[Choice]:
    """The `n` choices of a prompt out of what was made for it: the best or likeliest."""
    wanted, backend = task.wanted, task.backend
    if wanted.calcgen.verify:
        return await verified(prompt, group, wanted.calcgen, backend.code_runner(),
                              backend.verifier, wanted.n)  # fmt: skip
    pairs = list(zip(group, jobs, strict=True))
    if len(pairs) > wanted.n:
        worth = [
            await _scoring(task, scores.mean, task.model.batcher, job.row.prompt_ids, job.ids)
            for job in jobs
        ]
        best = sorted(range(len(pairs)), key=lambda k: (-worth[k], k))[: wanted.n]
        pairs = [pairs[k] for k in best]
    return [await _as_choice(task, prompt, one, job) for one, job in pairs]


async def _as_choice(task: Task, prompt: str, one: Completion, job: Job) -> Choice:
    extras = task.extras
    if extras is None:
        return Choice(one.text, one.finish_reason)
    text = (prompt if extras.echo else "") + one.text
    found = await _scores(task, extras, job.row, job.ids)
    return Choice(text, one.finish_reason, found and scores.within(found, len(text)))


async def _scored_prompts(task: Task, extras: CompletionRequest) -> dict[str, Any]:
    """echo with max_tokens 0: nothing is made, the prompts' own tokens are scored."""
    choices: list[Choice] = []
    for row in task.rows:
        own = Choice(row.prompt, "length", await _scores(task, extras, row, []))
        choices += [own] * extras.n
    return answers.text_completion(task.head, choices, answers.usage(task.asked, 0))


async def _scores(
    task: Task, extras: CompletionRequest, row: Row, ids: Sequence[int]
) -> dict[str, Any] | None:
    """The field `logprobs` of a choice."""
    if extras.logprobs is None:
        return None
    scored = partial(scores.scored, echo=extras.echo and row.prompt != "")
    return await _scoring(task, scored, task.model.batcher, row.prompt_ids, ids, extras.logprobs)


async def _scoring(task: Task, score: Callable[..., Value], *given: Any) -> Value:
    """One text's scores from a thread of theirs: a client that has gone ends it at the next.

    Raises:
        ApiError: the engine was lost or closed.
    """
    call = partial(score, *given)
    try:
        return await asyncio.get_running_loop().run_in_executor(task.backend.scorers, call)
    except InputError as error:
        raise ApiError(503, str(error)) from None
