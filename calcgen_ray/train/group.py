"""The process group of a training's workers, made without torch in the driver."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import ray
from ray.train.backend import Backend, BackendConfig

LEAVE_SECONDS = 30
"""To wait for the workers to leave the group; their processes end after that in any case."""

told = threading.Event()
"""Set in a worker that got SIGTERM."""


@dataclass
class ProcessGroup(BackendConfig):
    """A group of workers that save before they leave.

    Ray's own TorchConfig does the same, and imports torch where it is made and where it is read: in
    the driver, and in Ray's controller, which cost a start of two workers two seconds.

    Attributes:
        backend: of torch.distributed, gloo or nccl.
        timeout_s: seconds before a collective call gives up on a lost peer.
    """

    backend: str = "gloo"
    timeout_s: int = 120

    @property
    def backend_cls(self) -> type[Backend]:
        return _Backend


class _Backend(Backend):
    share_cuda_visible_devices = True

    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        from ray.train._internal.utils import get_address_and_port

        address, port = worker_group.execute_single(0, get_address_and_port)
        worker_group.execute(_join, address, port, backend_config)

    def on_training_start(self, worker_group: Any, backend_config: Any) -> None:
        worker_group.execute(_heed_sigterm)

    def on_shutdown(self, worker_group: Any, backend_config: Any) -> None:
        with suppress(ray.exceptions.GetTimeoutError):
            ray.get(worker_group.execute_async(_leave), timeout=LEAVE_SECONDS)


def _join(address: str, port: int, group: ProcessGroup) -> None:
    """Makes this worker one of the group, with the variables that torchrun would set."""
    import torch.distributed as dist

    here = ray.train.get_context()
    os.environ |= {
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        "RANK": str(here.get_world_rank()),
        "WORLD_SIZE": str(here.get_world_size()),
        "LOCAL_RANK": str(here.get_local_rank()),
        "LOCAL_WORLD_SIZE": str(here.get_local_world_size()),
        "NODE_RANK": str(here.get_node_rank()),
    }
    dist.init_process_group(group.backend, timeout=timedelta(seconds=group.timeout_s))


def _heed_sigterm() -> None:
    """Makes SIGTERM a request to save and leave; Ray's own handler ends the process at once.

    A handler is set from a process's main thread alone, where Ray runs an actor's methods and not
    the training; a backend's are the ones that we have a say in.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: told.set())


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
