"""Processes that make parts of a corpus; they end with the one that asked for them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor

from calcgen_ray.judge.isolation import syscalls


def open_pool(processes: int, parts: int) -> ProcessPoolExecutor:
    """At most so many processes, and no more than there are parts to make."""
    return ProcessPoolExecutor(
        max(1, min(processes, parts)),
        multiprocessing.get_context("spawn"),
        initializer=_end_with,
        initargs=(os.getpid(),),
    )


def _end_with(parent: int) -> None:
    """Else a killed build would leave processes behind that go on drawing."""
    with contextlib.suppress(OSError, AttributeError):  # Linux alone has it
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)
