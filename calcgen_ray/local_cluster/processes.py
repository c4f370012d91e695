"""Processes known by number and time of start, so that a number used again is never mistaken.

Linux only: it reads /proc.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from calcgen_ray.local_cluster.plan import MARKER, NODE_MARKER

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """`started` is the boot's id and the clock tick of the start."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        return identify(self.pid) == self

    def signal(self, number: int) -> None:
        """Sends a signal to this very process, if it is still there."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:  # it ended meanwhile
                return


def identify(pid: int) -> Process | None:
    """The live process of that number; None where there is none, or only its exit code."""
    stat = _stat(pid)
    if stat is None or stat[0] in "ZX":
        return None
    boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    return Process(pid, f"{boot}/{stat[19]}")


def family(ident: str, known: Iterable[Process]) -> set[Process]:
    """All live processes of a cluster: the known, those that bear its mark, and what they began."""
    found = {process.pid for process in known if process.alive}
    found |= {pid for pid in _pids() if _marked(pid, ident)}
    return with_children(found)


def with_children(found: set[int]) -> set[Process]:
    """Those processes and what they began: one that names itself may have written over its mark."""
    parents = {pid: int(stat[1]) for pid in _pids() if (stat := _stat(pid))}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found = found | more
        grown = bool(more)
    return {process for pid in found - {os.getpid()} if (process := identify(pid))}


def of_node(ident: str, name: str) -> set[Process]:
    """All live processes of one node of a cluster."""
    mark = f"{NODE_MARKER}={name}"
    return with_children({p for p in _pids() if _marked(p, ident) and _has(p, mark)})


def kill_node(ident: str, name: str) -> None:
    """Ends a node as a machine does that loses its power."""
    _kill(lambda: of_node(ident, name))


def end(ident: str, stages: Sequence[tuple[Sequence[Process], float]]) -> None:
    """Asks the processes of each stage to end within its seconds, then kills what is left.

    One stage after the other.
    """
    everyone = family(ident, (process for stage, _ in stages for process in stage))
    for stage, seconds in stages:
        for process in stage:
            process.signal(signal.SIGTERM)
        _wait(stage, seconds)
    everyone |= family(ident, everyone)
    _wait(everyone, 2.0)  # those whose parents have just gone notice it
    _kill(lambda: family(ident, everyone))


def _kill(find: Callable[[], set[Process]], seconds: float = 5.0) -> None:
    """Until none is found: one may begin, or not bear its mark yet, while the others are read."""
    deadline = time.monotonic() + seconds
    while (left := find()) and time.monotonic() < deadline:
        for process in left:
            process.signal(signal.SIGKILL)
        _wait(left, 1.0)


def _wait(processes: Iterable[Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(process.alive for process in processes) and time.monotonic() < deadline:
        time.sleep(0.1)


def _pids() -> Iterator[int]:
    return (int(path.name) for path in PROC.iterdir() if path.name.isdigit())


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat behind the name, which may itself hold spaces and parentheses."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _marked(pid: int, ident: str) -> bool:
    return _has(pid, f"{MARKER}={ident}")


def _has(pid: int, variable: str) -> bool:
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # ended, or another user's
        return False
    return variable.encode() in variables
