"""The routes, over what a replica has loaded: a FastAPI application that knows nothing of Ray."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from calcgen_ray.errors import InputError
from calcgen_ray.generate.batcher import Job
from calcgen_ray.judge import Verifier
from calcgen_ray.problem import Completion, as_prompt
from calcgen_ray.serving import answers, errors, generation, playground, schema, scores, sse
from calcgen_ray.serving.access import Access, Policy
from calcgen_ray.serving.answers import Choice, Head
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.limits import (
    ChatRequest,
    CompletionRequest,
    Message,
    SamplingRequest,
    read,
    read_body,
)
from calcgen_ray.serving.metrics import Clock, Metrics
from calcgen_ray.serving.models import Model, Models
from calcgen_ray.serving.pages import docs_page
from calcgen_ray.serving.running import CodeRunner, RunRequest, run_answer
from calcgen_ray.serving.verifying import verified


class Stream(StreamingResponse):
    """Events, and what is done after them, also where the first was never asked for."""

    def __init__(self, events: AsyncIterator[bytes], done: Callable[[], None]) -> None:
        super().__init__(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
        )
        self._done = done

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._done()


COUNTED = frozenset({"/v1/completions", "/v1/chat/completions", "/v1/run", "/v1/models"})


@dataclass(slots=True)
class Backend:
    """What the routes work with. `runner` is None where running code is switched off."""

    models: Models
    runner: CodeRunner | None = None
    verifier: Verifier | None = None
    max_waiting: int = 128
    active: int = 0
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics(
            running=lambda: self.models.live.batcher.running,
            waiting=lambda: self.models.live.batcher.waiting,
            batch_size=lambda: self.models.live.batcher.batch_size,
        )

    def close(self) -> None:
        if self.runner is not None:
            self.runner.close()
        if self.verifier is not None:
            self.verifier.close()
        self.models.close()


def build_api(backend: Backend, policy: Policy) -> FastAPI:
    """The application, closed to whom `policy` does not let in."""
    api = FastAPI(
        title="calcgen-ray", version=version("calcgen-ray"), docs_url=None, redoc_url=None
    )
    errors.install(api)
    _add_reading(api, backend)
    _add_sampling(api, backend)
    playground.install(api)
    schema.install(api, CompletionRequest, ChatRequest, RunRequest)
    api.middleware("http")(partial(_counted, backend.metrics))
    api.add_middleware(Access, policy=policy)
    return api


async def _counted(
    metrics: Metrics, request: Request, follow: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await follow(request)
    path = request.url.path
    route = path if path in COUNTED else "other"
    metrics.requests.labels(route, str(response.status_code)).inc()
    return response


def _add_reading(api: FastAPI, backend: Backend) -> None:
    models = backend.models

    @api.get("/v1/models")
    async def list_models() -> JSONResponse:
        live = models.live
        cards = [answers.model_card(name, live.created, live.max_tokens_total)
                 for name in models.names()]  # fmt: skip
        return JSONResponse({"object": "list", "data": cards})

    @api.get("/v1/models/{model:path}")
    async def one_model(model: str) -> JSONResponse:
        await asyncio.to_thread(models.ensure, model)
        with models.use(model) as found:
            return JSONResponse(answers.model_card(model, found.created, found.max_tokens_total))

    @api.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @api.get("/ready")
    async def ready() -> JSONResponse:
        body = {"status": "ready", "model": models.live.id, "digest": models.live.digest}
        if models.refused:
            body["refused"] = models.refused
        return JSONResponse(body)

    @api.get("/version")
    async def told_version() -> JSONResponse:
        return JSONResponse({"version": version("calcgen-ray"), "model": models.live.id})

    @api.get("/metrics")
    async def metrics() -> Response:
        return Response(backend.metrics.text(), media_type="text/plain; version=0.0.4")

    @api.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(api.openapi()))


def _add_sampling(api: FastAPI, backend: Backend) -> None:
    @api.post("/v1/completions", openapi_extra=schema.body_of(CompletionRequest))
    async def complete(request: Request) -> Response:
        body = await read_body(request)
        name = await _named(backend, body)
        with ExitStack() as stack:
            model = stack.enter_context(backend.models.use(name))
            wanted = read(CompletionRequest, body, model.max_tokens_total)
            task = Task(backend, model, wanted, "text_completion", wanted.prompt, wanted)
            return await _answer(task, stack, request)

    @api.post("/v1/chat/completions", openapi_extra=schema.body_of(ChatRequest))
    async def chat(request: Request) -> Response:
        body = await read_body(request)
        name = await _named(backend, body)
        with ExitStack() as stack:
            model = stack.enter_context(backend.models.use(name))
            wanted = read(ChatRequest, body, model.max_tokens_total)
            task = Task(backend, model, wanted, "chat.completion", (as_text(wanted.messages),))
            return await _answer(task, stack, request)

    @api.post("/v1/run", openapi_extra=schema.body_of(RunRequest))
    async def run(request: Request) -> JSONResponse:
        wanted = read(RunRequest, await read_body(request))
        return JSONResponse(run_answer(await _runner(backend).run(wanted)))


async def _named(backend: Backend, body: bytes) -> str | None:
    """The model that a body names, loaded; what else is wrong with the body comes later."""
    try:
        name = json.loads(body).get("model")
    except (ValueError, AttributeError, RecursionError):
        return None
    if not isinstance(name, str):
        return None
    await asyncio.to_thread(backend.models.ensure, name)
    return name


def as_text(messages: Sequence[Message]) -> str:
    """A conversation as a script: what the user says as comments, answers as they stand."""
    parts = []
    for message in messages:
        if message.role == "assistant":
            parts.append(message.content.rstrip() + "\n\n")
        elif message.role == "user":
            parts.append(as_prompt(message.content))
    return "".join(parts)


def _runner(backend: Backend) -> CodeRunner:
    if backend.runner is None:
        raise ApiError(404, "running code is switched off here; set serve.run=true")
    return backend.runner


@dataclass(slots=True)
class Task:
    """A request to sample. `extras` are the fields that only `/v1/completions` has."""

    backend: Backend
    model: Model
    wanted: SamplingRequest
    kind: str
    prompts: Sequence[str]
    extras: CompletionRequest | None = None

    @property
    def head(self) -> Head:
        stream = ".chunk" if self.wanted.stream and self.kind == "chat.completion" else ""
        return Head.new(self.kind + stream, self.wanted.model or self.model.id, self.model.digest)


async def _answer(task: Task, stack: ExitStack, request: Request) -> Response:
    backend = task.backend
    if backend.active >= backend.max_waiting:
        raise ApiError(429, f"{backend.active} requests are being served; try again in a second")
    asked = _count_prompt(task)
    backend.metrics.tokens_in.inc(asked)
    backend.active += 1
    if task.wanted.stream:
        held = stack.pop_all()  # the model stays open until the last event
        held.callback(_leave, backend)
        return Stream(_streamed(task, asked), held.close)
    try:
        with backend.metrics.timed() as clock:
            return JSONResponse(await _whole(task, clock))
    finally:
        _leave(backend)


def _leave(backend: Backend) -> None:
    backend.active -= 1


def _count_prompt(task: Task) -> int:
    """Tokens of the prompts, counted before anything is queued."""
    sampling = task.wanted.sampling
    try:
        return sum(len(task.model.engine.row(p, sampling).prompt_ids) for p in task.prompts)
    except InputError as error:
        param = str(error).split(":")[0]
        raise ApiError(400, str(error), param if param.isidentifier() else None) from None


async def _streamed(task: Task, asked: int) -> AsyncIterator[bytes]:
    wanted = task.wanted
    with task.backend.metrics.timed() as clock:
        pieces = generation.pieces(task.model.batcher, task.prompts, wanted.sampling, clock)
        echo = task.extras is not None and task.extras.echo
        first = [p if echo else "" for p in task.prompts for _ in range(wanted.n)]
        chunk = answers.text_chunk if task.extras is not None else answers.chat_chunk
        options = wanted.stream_options
        async for event in sse.stream(
            task.head, pieces, chunk, clock, first=first, asked=asked,
            include_usage=options is not None and options.include_usage,
        ):  # fmt: skip
            yield event


async def _whole(task: Task, clock: Clock) -> dict[str, Any]:
    wanted, extras = task.wanted, task.extras
    if extras is not None and extras.max_tokens == 0:
        return await asyncio.to_thread(_scored_prompts, task, extras)
    groups, jobs = await generation.complete(
        task.model.batcher, task.prompts, wanted.sampling, clock
    )
    choices: list[Choice] = []
    for number, (prompt, group) in enumerate(zip(task.prompts, groups, strict=True)):
        own = jobs[number * len(group) : (number + 1) * len(group)]
        choices += await _chosen(task, prompt, group, own)
    used = answers.usage_of(groups)
    make = answers.text_completion if extras is not None else answers.chat_completion
    return make(task.head, choices, used)


async def _chosen(
    task: Task, prompt: str, group: Sequence[Completion], jobs: Sequence[Job]
) -> list[Choice]:
    """The `n` choices of a prompt out of what was made for it."""
    wanted = task.wanted
    if wanted.calcgen.verify:
        return await verified(prompt, group, wanted.calcgen, _runner(task.backend),
                              task.backend.verifier, wanted.n)  # fmt: skip
    return await asyncio.to_thread(_ranked, task, prompt, group, jobs)


def _ranked(
    task: Task, prompt: str, group: Sequence[Completion], jobs: Sequence[Job]
) -> list[Choice]:
    """The likeliest `n` with the scores asked for. It computes, so it is for a thread."""
    pairs = list(zip(group, jobs, strict=True))
    if len(pairs) > task.wanted.n:
        worth = [scores.mean(task.model.engine, job.row.prompt_ids, job.ids) for job in jobs]
        best = sorted(range(len(pairs)), key=lambda k: (-worth[k], k))[: task.wanted.n]
        pairs = [pairs[k] for k in best]
    return [_as_choice(task, task.extras, prompt, one, job) for one, job in pairs]


def _as_choice(
    task: Task, extras: CompletionRequest | None, prompt: str, one: Completion, job: Job
) -> Choice:
    if extras is None:
        return Choice(one.text, one.finish_reason)
    found = None
    if extras.logprobs is not None:
        found = scores.scored(task.model.engine, job.row.prompt_ids, job.ids, extras.logprobs,
                              echo=extras.echo)  # fmt: skip
    return Choice((prompt if extras.echo else "") + one.text, one.finish_reason, found)


def _scored_prompts(task: Task, extras: CompletionRequest) -> dict[str, Any]:
    """echo with max_tokens 0: nothing is made, the prompts' own tokens are scored."""
    choices, asked = [], 0
    for prompt in task.prompts:
        ids = task.model.engine.row(prompt, extras.sampling).prompt_ids
        asked += len(ids)
        found = None
        if extras.logprobs is not None:
            found = scores.scored(task.model.engine, ids, [], extras.logprobs, echo=True)
        choices.append(Choice(prompt, "length", found))
    return answers.text_completion(task.head, choices, answers.usage(asked, 0))
