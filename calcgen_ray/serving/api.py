"""The routes, over what a replica has loaded: a FastAPI application that knows nothing of Ray."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from calcgen_ray.problem import as_prompt
from calcgen_ray.serving import answers, errors, playground, schema
from calcgen_ray.serving.access import Access, Policy, may_read
from calcgen_ray.serving.backend import Backend
from calcgen_ray.serving.body import read, read_body
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.limits import ChatRequest, CompletionRequest, Message
from calcgen_ray.serving.pages import docs_page
from calcgen_ray.serving.running import RunRequest, run_answer
from calcgen_ray.serving.task import Task, answer

COUNTED = frozenset({"/v1/completions", "/v1/chat/completions", "/v1/run", "/v1/models"})


def build_api(backend: Backend, policy: Policy) -> FastAPI:
    """The application, closed to whom `policy` does not let in."""
    api = FastAPI(
        title="calcgen-ray", version=version("calcgen-ray"), docs_url=None, redoc_url=None
    )

    def count(path: str, status: int) -> None:
        route = path if path in COUNTED else "other"
        backend.metrics.requests.labels(route, str(status)).inc()

    errors.install(api)
    _add_reading(api, backend)
    _add_states(api, backend)
    _add_sampling(api, backend)
    playground.install(api)
    schema.install(api, CompletionRequest, ChatRequest, RunRequest)
    api.add_middleware(Access, policy=policy, count=count)
    return api


def _add_reading(api: FastAPI, backend: Backend) -> None:
    models = backend.models

    @api.get("/v1/models")
    async def list_models() -> JSONResponse:
        """The live checkpoint first, then the registry's others."""
        live = models.live
        cards = [answers.model_card(name, live.created, models.max_tokens_total(name))
                 for name in models.names()]  # fmt: skip
        return JSONResponse({"object": "list", "data": cards})

    @api.get("/v1/models/{model:path}")
    async def one_model(model: str) -> JSONResponse:
        """One of them."""
        found = models.find(model) or models.live  # as in the list: loading it takes a request
        longest = models.max_tokens_total(model)
        return JSONResponse(answers.model_card(model, found.created, longest))

    @api.get("/docs")
    async def docs(request: Request) -> HTMLResponse:
        """This page."""
        return HTMLResponse(docs_page(api.openapi(), str(request.base_url)))


def _add_states(api: FastAPI, backend: Backend) -> None:
    models = backend.models

    @api.get("/health")
    async def health() -> JSONResponse:
        """200 while the engine runs; needs no key."""
        if not models.live.batcher.alive:
            raise ApiError(503, "the engine has ended")
        return JSONResponse({"status": "ok"})

    @api.get("/ready")
    async def ready(request: Request) -> JSONResponse:
        """200 once a checkpoint is loaded, and which with a key."""
        body = {"status": "ready"}
        if may_read(request.scope):
            body |= {"model": models.live.id, "digest": models.live.digest}
            body |= {"refused": models.refused} if models.refused else {}
        return JSONResponse(body)

    @api.get("/version")
    async def told_version() -> JSONResponse:
        """Of the package, and the live checkpoint."""
        return JSONResponse({"version": version("calcgen-ray"), "model": models.live.id})

    @api.get("/metrics")
    async def metrics() -> Response:
        """This replica's, in Prometheus's text."""
        return Response(backend.metrics.text(), media_type="text/plain; version=0.0.4")


def _add_sampling(api: FastAPI, backend: Backend) -> None:
    @api.post("/v1/completions", openapi_extra=schema.body_of(CompletionRequest))
    async def complete(request: Request) -> Response:
        """Goes on from a text."""
        body = await read_body(request)
        model = await backend.models.acquired(body.model)
        with ExitStack() as stack:
            stack.callback(backend.models.release, model)
            wanted = read(CompletionRequest, body, model.max_tokens_total)
            task = Task(backend, model, wanted, "text_completion", wanted.prompt, wanted)
            return await answer(task, stack)

    @api.post("/v1/chat/completions", openapi_extra=schema.body_of(ChatRequest))
    async def chat(request: Request) -> Response:
        """Answers the last message."""
        body = await read_body(request)
        model = await backend.models.acquired(body.model)
        with ExitStack() as stack:
            stack.callback(backend.models.release, model)
            wanted = read(ChatRequest, body, model.max_tokens_total)
            task = Task(backend, model, wanted, "chat.completion", (as_text(wanted.messages),))
            return await answer(task, stack)

    @api.post("/v1/run", openapi_extra=schema.body_of(RunRequest))
    async def run(request: Request) -> JSONResponse:
        """Runs code in the sandbox: output, result as text, LaTeX and MathML, figures as PNG."""
        body = await read_body(request)
        outcome = await backend.code_runner().run(read(RunRequest, body))
        return JSONResponse(run_answer(outcome))


def as_text(messages: Sequence[Message]) -> str:
    """A conversation as a script: what the user says as comments, answers as they stand."""
    parts = []
    for message in messages:
        if message.role == "assistant":
            parts.append(message.content.rstrip() + "\n\n")
        elif message.role == "user":
            parts.append(as_prompt(message.content))
    return "".join(parts)
