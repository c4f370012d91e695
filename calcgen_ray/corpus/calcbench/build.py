"""Makes the benchmark's file anew, from seeds and from the installed SymPy."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from calcgen_ray.corpus.calcbench import to_line
from calcgen_ray.corpus.calcbench.docstrings import from_docstrings
from calcgen_ray.corpus.calcbench.generated import generated, reworded
from calcgen_ray.corpus.families import FAMILIES
from calcgen_ray.problem import DIFFICULTIES, Difficulty, Problem

Task = tuple[str, Difficulty | None]
"""A family with a difficulty, or with None for its hand-written wordings; "" for docstrings."""


def build(path: Path, processes: int, progress: Callable[[int, int], None]) -> str:
    """Writes all problems to `path`, a line each, and returns the file's sha256."""
    tasks: list[Task] = [(f, level) for f in FAMILIES for level in DIFFICULTIES]
    tasks += [(family, None) for family in FAMILIES]
    tasks.append(("", None))
    lines: list[str] = []
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for done, problems in enumerate(pool.map(_make, tasks), 1):
            lines += [to_line(problem) + "\n" for problem in problems]
            progress(done, len(tasks))
    data = "".join(lines).encode()
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _make(task: Task) -> list[Problem]:
    family, level = task
    made: Iterator[Problem]
    if not family:
        made = from_docstrings()
    else:
        made = reworded(family) if level is None else generated(family, level)
    return list(made)
