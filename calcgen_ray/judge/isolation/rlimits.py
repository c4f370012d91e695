"""Bounds that the kernel keeps for each process: time, memory, files, descriptors, threads."""

from __future__ import annotations

import math
import resource

from calcgen_ray.judge.request import Limits

OPEN_FILES = 1024
FILE_BYTES = 64 << 20
PROCESSES = 400  # threads of a job, and its server


def limit(limits: Limits) -> None:
    """Bounds this process's time, files and descriptors; memory is bounded segment by segment."""
    cpu = math.ceil(limits.job_seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))


def limit_memory(soft: int, hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def limit_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = OPEN_FILES if hard < 0 else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
