"""One replica of the endpoint on Ray Serve: what it has loaded, behind the routes of api.py."""

import logging
from pathlib import Path
from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve

from calcgen_ray.generate.process import EngineProcess
from calcgen_ray.judge import Verifier
from calcgen_ray.registry.store import Registry
from calcgen_ray.serving.access import Policy
from calcgen_ray.serving.api import build_api
from calcgen_ray.serving.backend import Backend
from calcgen_ray.serving.loading import Model, OpenBatcher, load, load_first
from calcgen_ray.serving.models import Models
from calcgen_ray.serving.running import CodeRunner


class Served(BaseModel):
    """What a replica is made from, all of it resolved: a folder, not a wish."""

    model_config = ConfigDict(frozen=True)

    folder: str
    model: str
    name: str | None
    digest: str
    registry: str | None
    compute_type: str
    threads: int
    max_queued_requests: int
    keys: tuple[bytes, ...]
    hosts: tuple[str, ...]
    open: bool
    run: bool
    isolation: Literal["strict", "basic"]
    run_seconds: float
    run_memory_mb: int


@serve.deployment
@serve.ingress()
class Sampler:
    """Answers OpenAI's completion and chat requests, and runs code."""

    def __init__(self, served: Served) -> None:
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        self.served = served
        opening = _opener(served)
        registry = Registry(Path(served.registry)) if served.registry else None
        first = load_first(registry, served.name, opening) or _named(served, opening)
        self.backend = Backend(
            Models(first, registry, opening, served.name),
            runner=_runner(served),
            verifier=_verifier(served),
            max_waiting=served.max_queued_requests,
            replica=serve.get_replica_context().replica_id.unique_id,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        served = self.served
        return build_api(self.backend, Policy(served.keys, served.hosts, served.open))

    def check_health(self) -> None:
        """Ray Serve replaces a replica that raises here."""
        if not self.backend.models.live.batcher.alive:
            raise RuntimeError("the engine has ended")

    def __del__(self) -> None:
        backend = getattr(self, "backend", None)
        if backend is not None:
            backend.close()


def _opener(served: Served) -> OpenBatcher:
    return lambda folder: EngineProcess.open(folder, served.compute_type, served.threads)


def _named(served: Served, opening: OpenBatcher) -> Model:
    """The folder that the endpoint was deployed with."""
    model = load(Path(served.folder), served.model, opening)
    model.digest = served.digest
    return model


def _runner(served: Served) -> CodeRunner | None:
    if not served.run:
        return None
    return CodeRunner(served.isolation, served.run_seconds, served.run_memory_mb << 20)


def _verifier(served: Served) -> Verifier | None:
    if not served.run:
        return None
    verifier = Verifier(1)
    verifier.__enter__()
    return verifier
