"""What this machine can do, and a process made ready for it: device, dtype, threads, seeds."""

from __future__ import annotations

import ctypes
import os
import random
from pathlib import Path
from typing import Literal

Device = Literal["cpu", "gpu"]
Precision = Literal["fp32", "bf16"]

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of malloc.h, glibc: when the heap's free end goes back, and how many pieces lie outside it."""


def cpu_flags() -> frozenset[str]:
    """Instruction-set flags of this CPU as Linux names them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((x.split(":")[1] for x in lines if x.startswith("flags")), "").split())


def pick_device(wanted: Literal["auto", "cpu", "gpu"], num_gpus: float) -> Device:
    """gpu where it is wanted, or where there is one and the choice is free."""
    if wanted == "auto":
        return "gpu" if num_gpus >= 1 else "cpu"
    return wanted


def pick_precision(wanted: Literal["auto", "fp32", "bf16"], device: Device) -> Precision:
    """bf16 autocast where the hardware multiplies in it (2 to 3 times faster), else fp32."""
    if wanted != "auto":
        return wanted
    if device == "gpu":
        import torch

        return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if {"avx512_bf16", "amx_bf16"} & cpu_flags() else "fp32"


def seed_all(seed: int) -> None:
    """Seeds Python, NumPy and torch of this process."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def set_threads(num_threads: int) -> None:
    """Lets torch use that many threads; Ray sets one in each worker whatever it reserved."""
    import torch

    torch.set_num_threads(max(1, num_threads))


def keep_memory() -> None:
    """Lets this process keep what it has freed, for the next pass asks for as much again.

    By glibc's malloc, which gives back what is large: each pass would have its gigabytes from the
    system page by page, and a virtual machine its own from its host. With another malloc nothing
    changes. In a thread, as Ray's workers train, it holds with `MALLOC_ARENA_MAX` 1 alone, which a
    command's own cluster sets: an arena of a thread's own has pieces of 64 MB at most.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def cpu_count() -> int:
    """CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
