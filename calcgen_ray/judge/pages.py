"""Pages of memory that jobs are likely to write to, found once and copied ahead.

A child shares its server's memory until it writes to a page; the first write copies the page, some
3 microseconds each, and Python writes to every object that it looks at. A few children of the
server run typical code and tell which pages they have of their own then; later children copy
those while they have no job yet. Only when the copies are made changes.

Source: Documentation/admin-guide/mm/pagemap.rst (bit 56: mapped by this process alone, bit 61: of
a file, bit 63: present); madvise(2), MADV_POPULATE_WRITE (Linux 5.14) and MADV_COLLAPSE (6.1).
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Iterable, Iterator

from calcgen_ray.judge.isolation import syscalls

PAGE = mmap.PAGESIZE
BATCH = 32  # runs between two looks at whether there is still time
POPULATE_WRITE, COLLAPSE = 23, 25
HUGE = 2 << 20
OWN, OF_FILE, PRESENT = 1 << 56, 1 << 61, 1 << 63

Runs = tuple[tuple[int, int], ...]
"""Start address and length in bytes of each run of pages."""


def make_huge(proc: int) -> None:
    """Gathers this process's memory into pages of 2 MB where it can be, for cheaper forks.

    Raises:
        OSError: its memory cannot be told here.
    """
    for low, high in _writable(proc):
        start, end = -(-low // HUGE) * HUGE, high // HUGE * HUGE
        if start < end:
            with contextlib.suppress(OSError):
                syscalls.library("madvise", start, end - start, COLLAPSE)


def likely(run: Callable[[str], object], codes: Iterable[str], proc: int) -> Runs:
    """The pages that forks of this process write to when they run these codes.

    Args:
        run: executes one of them.
        codes: programs of this project's own.
        proc: descriptor of /proc.

    Raises:
        OSError: they cannot be told here.
    """
    return _runs(set.union(*[_written_by(run, code, proc) for code in codes]))


def _written_by(run: Callable[[str], object], code: str, proc: int) -> set[int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            run(code)
            with open(writing, "wb") as pipe:
                pipe.write(b"".join(b"%d\n" % address for address in _own(proc)))
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        found = set(map(int, pipe.read().split()))
    os.waitpid(pid, 0)
    return found


def _runs(addresses: Iterable[int]) -> Runs:
    runs: list[tuple[int, int]] = []
    for address in sorted(addresses):
        if runs and sum(runs[-1]) == address:
            runs[-1] = (runs[-1][0], runs[-1][1] + PAGE)
        else:
            runs.append((address, PAGE))
    return tuple(runs)


def copy(runs: Runs, until: Callable[[], bool]) -> None:
    """Makes this process's own copies of the pages, as long as `until` does not hold.

    Those that are gone by now are left out.
    """
    for number, (start, size) in enumerate(runs):
        if number % BATCH == 0 and until():
            return
        with contextlib.suppress(OSError):
            syscalls.library("madvise", start, size, POPULATE_WRITE)


def _writable(proc: int) -> list[tuple[int, int]]:
    """Where memory of this process's own lies: first address, and that after the last."""
    with open(os.open("self/maps", os.O_RDONLY, dir_fd=proc)) as file:
        places = [line.split()[0] for line in file if line.split()[1] == "rw-p"]
    return [(int(low, 16), int(high, 16)) for low, high in (p.split("-") for p in places)]


def _own(proc: int) -> Iterator[int]:
    """Addresses of the pages of this process that it shares with nobody."""
    pagemap = os.open("self/pagemap", os.O_RDONLY, dir_fd=proc)
    for low, high in _writable(proc):
        entries = os.pread(pagemap, (high - low) // PAGE * 8, low // PAGE * 8)
        for index, entry in enumerate(memoryview(entries).cast("Q")):
            if entry & (OWN | OF_FILE | PRESENT) == OWN | PRESENT:
                yield low + index * PAGE
