"""One replica of the endpoint: the routes, and an engine on a thread of its own.

`serve.ingress` pickles the routes when the class is made. So what they use stands above the class,
and annotations stay live objects (no `from __future__`).
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from ray import serve

from calcgen_ray.errors import InputError
from calcgen_ray.generate.engine import Engine, EngineName, SamplingParams, open_engine
from calcgen_ray.problem import Completion
from calcgen_ray.serving import answers, errors
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.limits import parse, read, read_body
from calcgen_ray.serving.running import CodeRunner, RunRequest, run_answer

api = FastAPI(title="calcgen-ray", docs_url=None, redoc_url=None)
errors.install(api)


class Served(BaseModel):
    """What a replica is made from, all of it resolved: a folder, not a wish."""

    model_config = ConfigDict(frozen=True)

    folder: str
    model: str
    digest: str
    engine: EngineName
    compute_type: str
    threads: int
    max_queued_requests: int
    run: bool
    isolation: Literal["strict", "basic"]
    run_seconds: float
    run_memory_mb: int


@serve.deployment
@serve.ingress(api)
class Completions:
    """Answers completion requests, one engine batch each, in the order they came."""

    def __init__(self, served: Served) -> None:
        self.served, self.created, self.waiting = served, int(time.time()), 0
        self.engine: Engine | None = open_engine(
            Path(served.folder), served.engine, served.compute_type, served.threads
        )
        self.max_tokens_total = self.engine.max_tokens_total
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self.runner = self._open_runner() if served.run else None
        self.engine.generate(["# warm\n"], SamplingParams(max_tokens=1, temperature=0.0))

    @api.post("/v1/completions")
    async def complete(self, request: Request) -> JSONResponse:
        wanted = parse(await read_body(request), self.max_tokens_total)
        self._check_model(wanted.model)
        groups = await self._generate(list(wanted.prompt), wanted.sampling)
        body = answers.text_completion(self.served.model, self.served.digest, groups)
        return JSONResponse(body)

    @api.post("/v1/run")
    async def run(self, request: Request) -> JSONResponse:
        if self.runner is None:
            raise ApiError(404, "running code is switched off here; set serve.run=true")
        wanted = read(RunRequest, await read_body(request))
        return JSONResponse(run_answer(await self.runner.run(wanted)))

    @api.get("/v1/models")
    async def models(self) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [self._card()]})

    @api.get("/v1/models/{model:path}")
    async def model(self, model: str) -> JSONResponse:
        self._check_model(model)
        return JSONResponse(self._card())

    @api.get("/health")
    async def health(self) -> JSONResponse:
        if self.engine is None:
            raise ApiError(503, "the engine is closed")
        return JSONResponse({"status": "ok", "model": self.served.model})

    async def _generate(
        self, prompts: list[str], params: SamplingParams
    ) -> list[list[Completion]]:  # fmt: skip
        if self.engine is None:
            raise ApiError(503, "the engine is closed")
        if self.waiting > self.served.max_queued_requests:
            raise ApiError(429, f"{self.waiting} requests are waiting; try again in a second")
        self.waiting += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.pool, self.engine.generate, prompts, params)
        except InputError as error:
            param = str(error).split(":")[0]
            raise ApiError(400, str(error), param if param.isidentifier() else None) from None
        finally:
            self.waiting -= 1

    def _open_runner(self) -> CodeRunner:
        served = self.served
        return CodeRunner(served.isolation, served.run_seconds, served.run_memory_mb << 20)

    def _check_model(self, model: str | None) -> None:
        if model not in (None, self.served.model):
            raise ApiError(
                404,
                f"model: got {str(model)[:100]!r}; served here: {self.served.model!r}",
                param="model",
                code="model_not_found",
            )

    def _card(self) -> dict[str, Any]:
        return answers.model_card(self.served.model, self.created, self.max_tokens_total)

    def check_health(self) -> None:
        """Ray Serve replaces a replica that raises here."""
        if self.engine is None:
            raise RuntimeError("the engine is closed")

    def __del__(self) -> None:
        runner, self.runner = getattr(self, "runner", None), None
        if runner is not None:
            runner.close()
        engine, self.engine = getattr(self, "engine", None), None
        if engine is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)
            engine.close()
