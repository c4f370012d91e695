"""What each Ray Train worker runs: the loop, with Ray's report as its way out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def train_worker(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Runs the loop in this worker. `payload`: config (plain values), corpus and folder (paths)."""
    import ray.train
    import ray.train.torch

    from calcgen_ray import runtime, settings
    from calcgen_ray.train.loop import Loop

    config = settings.from_dict(payload["config"])
    device = ray.train.torch.get_device()
    runtime.set_threads(int(config.workers.cpus))
    loop = Loop(
        config,
        Path(payload["corpus"]),
        Path(payload["folder"]),
        report=lambda metrics: ray.train.report(dict(metrics)),
        device=str(device),
    )
    return loop.run()
