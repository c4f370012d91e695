"""What an endpoint is built from: the `args` of serve/config.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ServeArgs(BaseModel):
    """Typed, frozen, unknown keys refused: a typing error in a deploy file is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    checkpoint: str | None = None
    """A registry entry or checkpoint folder; null takes what the registry says is live."""
    registry: str = "runs/registry"
    """Read only when `checkpoint` is null."""
    model: str | None = Field(default=None, min_length=1, max_length=200)
    """Name that clients ask for; made from the folder's when left out."""
    compute_type: Literal["auto", "int8", "float32", "float16", "int8_float16"] = "auto"
    threads: int = Field(default=1, ge=1, le=256)
    """CPU threads of one replica's engine."""
    replicas: int = Field(default=1, ge=1, le=1000)
    max_replicas: int = Field(default=1, ge=1, le=1000)
    """Above `replicas`: more are started with the load, and ended when it is gone."""
    cpus: float = Field(default=1.0, ge=0, le=256)
    """CPUs that each replica reserves."""
    gpus: float = Field(default=0.0, ge=0, le=16)
    """GPUs that each replica reserves."""
    max_queued_requests: int = Field(default=128, ge=1, le=100_000)
    """Requests that wait in one replica; the next is answered with 429."""
    keys_file: str | None = None
    """A file with a key on each line, any of which opens; null opens to this machine alone."""
    open: bool = False
    """Without keys: whether other machines may ask all the same."""
    hosts: tuple[str, ...] = ()
    """Names besides this machine's under which the endpoint is asked."""
    run: bool = True
    """Whether `POST /v1/run` runs code."""
    isolation: Literal["strict", "basic"] = "strict"
    """strict runs no code where a layer of the sandbox is missing; basic takes what there is."""
    run_seconds: float = Field(default=10.0, gt=0, le=600)
    """Wall time of one piece of code."""
    run_memory_mb: int = Field(default=4096, ge=512, le=10**6)
    """Address space of one piece of code, some 350 MB of imported modules included."""
