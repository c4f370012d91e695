"""What each Ray Train worker runs: the loop, with Ray's report as its way out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray.train

from calcgen_ray.errors import StoppedError
from calcgen_ray.train import group

STOP = ".stop"
"""File in a run's folder by which the driver asks its workers to save and leave."""


def train_worker(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Runs the loop in this worker.

    Args:
        payload: config (plain values), corpus and folder (paths), and of a run in a bucket its
            `bucket` (URI), in which both paths then are; device, cpu or gpu.

    Raises:
        StoppedError: a worker got SIGTERM; a checkpoint was saved, and Ray begins again from it.
    """
    from calcgen_ray import runtime, settings
    from calcgen_ray.storage import Mirror
    from calcgen_ray.train.loop import Loop

    config = settings.from_dict(payload["config"])
    mirror = Mirror(payload["bucket"], "worker") if payload.get("bucket") else None
    root = mirror.root if mirror else Path()
    corpus, folder = root / payload["corpus"], root / payload["folder"]
    if mirror is not None:
        mirror.pull(corpus)
        folder.mkdir(parents=True, exist_ok=True)
    runtime.set_threads(int(config.workers.cpus))
    loop = Loop(
        config,
        corpus,
        folder,
        report=lambda metrics: ray.train.report(dict(metrics)),
        device=_device(payload["device"]),
        asked=lambda: group.told.is_set() or (folder / STOP).exists(),
        mirror=mirror,
        warned=lambda: ray.train.get_preemption_info() is not None,
    )
    metrics = loop.run()
    if loop.leaving and not (folder / STOP).exists():
        raise StoppedError(f"a worker was told to end at step {loop.step}; a checkpoint was saved")
    return metrics


def _device(kind: str) -> str:
    """This worker's own. Ray knows which GPU that is; on a CPU its import is left out."""
    if kind == "cpu":
        return kind
    import torch
    from ray.train.torch import get_device

    torch.cuda.set_device(get_device())
    return str(get_device())
