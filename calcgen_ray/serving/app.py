"""The Serve application: `import_path: calcgen_ray.serving.app:build` in serve/config.yaml.

Ray is imported inside, so that naming an endpoint's arguments does not load it. Annotations stay
live objects here (no `from __future__`): Serve reads the type of `args` to validate a deploy file.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from calcgen_ray.model.checkpoint import sha256, verify
from calcgen_ray.model.loading import check_folder
from calcgen_ray.registry.store import Registry, check_finite
from calcgen_ray.serving.access import LOCAL_HOSTS, read_keys
from calcgen_ray.serving.args import ServeArgs

__all__ = ["APP_NAME", "ServeArgs", "build"]

APP_NAME = "calcgen"
GRACE_SECONDS = 30.0
"""For requests that run while a replica is taken away, streams among them."""
HEALTH_PERIOD_SECONDS, HEALTH_TIMEOUT_SECONDS = 3.0, 6.0
"""Serve gives a replica up after three checks in a row without an answer: one that hangs is found
within half a minute, where Serve's own 30 seconds a check take more than 90; the grace follows."""


def build(args: ServeArgs) -> Any:
    """The application (`ray.serve.Application`) of a checkpoint.

    Raises:
        InputError: nothing is promoted.
        CheckpointError: the folder is no checkpoint, was changed, or holds what is no number.
    """
    from calcgen_ray.serving.deployment import Sampler, Served

    folder, digest = _resolve(args)
    served = Served(
        folder=str(folder),
        model=args.model or folder.name,
        name=args.model,
        digest=digest,
        registry=_registry(args),
        compute_type=args.compute_type,
        threads=args.threads,
        max_queued_requests=args.max_queued_requests,
        keys=read_keys(Path(args.keys_file).expanduser()) if args.keys_file else (),
        hosts=(*LOCAL_HOSTS, *args.hosts),
        open=args.open,
        run=args.run,
        isolation=args.isolation,
        run_seconds=args.run_seconds,
        run_memory_mb=args.run_memory_mb,
    )
    # The replica keeps the queue and tells an overflow in OpenAI's form. Serve's own limit, which
    # knows only plain text and counts requests that are merely being routed, stands well behind.
    wall = 2 * args.max_queued_requests + 64
    deployment: Any = Sampler
    scale: dict[str, Any] = {"num_replicas": args.replicas}
    if args.max_replicas > args.replicas:
        scale = {"autoscaling_config": _autoscaling(args)}
    return deployment.options(
        **scale,
        ray_actor_options={"num_cpus": args.cpus, "num_gpus": args.gpus},
        max_ongoing_requests=wall,
        max_queued_requests=wall,
        backpressure_config={"status_code": 429, "retry_after_s": 1},
        graceful_shutdown_timeout_s=GRACE_SECONDS,
        health_check_period_s=HEALTH_PERIOD_SECONDS,
        health_check_timeout_s=HEALTH_TIMEOUT_SECONDS,
        logging_config={"enable_access_log": False},
    ).bind(served)


def _autoscaling(args: ServeArgs) -> dict[str, Any]:
    return {
        "min_replicas": args.replicas,
        "max_replicas": args.max_replicas,
        # A slice holds 32 rows; beyond 8 requests in one replica the tokens of each come slower.
        "target_ongoing_requests": 8,
        "upscale_delay_s": 5,  # a replica is up within seconds
        "downscale_delay_s": 120,  # bursts come again
    }


def _registry(args: ServeArgs) -> str | None:
    """The registry whose live entry is followed; None for a checkpoint that was named."""
    if args.checkpoint is not None:
        return None
    return str(Path(args.registry).expanduser().resolve())


def _resolve(args: ServeArgs) -> tuple[Path, str]:
    """The folder and the digest that clients see."""
    if args.checkpoint is None:
        entry = Registry(Path(args.registry).expanduser().resolve()).live()
        return entry.path, entry.digest
    folder = Path(args.checkpoint).expanduser().resolve()
    check_folder(folder)
    check_finite(folder)  # before Serve takes away what serves now
    if (folder / "calcgen.json").is_file():
        verified = verify(folder)
        return folder, Registry.digest_of(folder) or verified.digest
    return folder, _digest(folder)


def _digest(folder: Path) -> str:
    """Of what is read of a folder that has no manifest to tell it."""
    paths = sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")])
    files = {path.name: sha256(path) for path in paths}
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]
