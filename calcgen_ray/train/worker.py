"""What each Ray Train worker runs: the loop, with Ray's report as its way out, and its signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
from ray.train.torch import TorchConfig

from calcgen_ray.errors import StoppedError

STOP = ".stop"
"""File in a run's folder by which the driver asks its workers to save and leave."""

_told = threading.Event()


def train_worker(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Runs the loop in this worker.

    Args:
        payload: config (plain values), corpus and folder (paths), and of a run in a bucket its
            `bucket` (URI), in which both paths then are.

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
    device = ray.train.torch.get_device()
    runtime.set_threads(int(config.workers.cpus))
    loop = Loop(
        config,
        corpus,
        folder,
        report=lambda metrics: ray.train.report(dict(metrics)),
        device=str(device),
        asked=lambda: _told.is_set() or (folder / STOP).exists(),
        mirror=mirror,
        warned=lambda: ray.train.get_preemption_info() is not None,
    )
    metrics = loop.run()
    if loop.leaving and not (folder / STOP).exists():
        raise StoppedError(f"a worker was told to end at step {loop.step}; a checkpoint was saved")
    return metrics


def heed_sigterm() -> None:
    """Makes SIGTERM a request to save and leave; Ray's own handler ends the process at once."""
    signal.signal(signal.SIGTERM, lambda number, frame: _told.set())


@dataclass
class PreemptibleTorchConfig(TorchConfig):
    """A process group whose workers save before they leave.

    A signal's handler is set from a process's main thread alone, where Ray runs an actor's methods
    and not the training; a backend's are the ones that we have a say in.
    """

    @property
    def backend_cls(self) -> Any:
        return _Backend


class _Backend(TorchConfig().backend_cls):  # type: ignore[misc]
    def on_training_start(self, worker_group: Any, backend_config: Any) -> None:
        super().on_training_start(worker_group, backend_config)
        worker_group.execute(heed_sigterm)
