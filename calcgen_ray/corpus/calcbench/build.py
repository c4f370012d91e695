"""Makes the benchmark's files anew, from seeds and from the installed SymPy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from calcgen_ray.corpus.calcbench import to_line
from calcgen_ray.corpus.calcbench.docstrings import from_docstrings
from calcgen_ray.corpus.calcbench.generalisation import COMPOSED, DEEPER, compositions, deeper
from calcgen_ray.corpus.calcbench.generated import generated, reworded
from calcgen_ray.corpus.families import FAMILIES
from calcgen_ray.corpus.processes import open_pool
from calcgen_ray.problem import DIFFICULTIES, Problem

Task = tuple[str, str]
"""A family with a difficulty or a group's name; ("", "docstring") for SymPy's examples."""

TASKS: dict[str, list[Task]] = {
    "calcbench": [
        *((family, level) for family in FAMILIES for level in DIFFICULTIES),
        *((family, "wording") for family in FAMILIES),
        ("", "docstring"),
    ],
    "generalisation": [
        *((family, "composition") for family in COMPOSED),
        *((family, "deeper") for family in DEEPER),
    ],
}


def build(name: str, path: Path, processes: int, progress: Callable[[int, int], None]) -> str:
    """Writes all problems of a file to `path`, a line each, and returns the file's sha256."""
    tasks = TASKS[name]
    lines: list[str] = []
    with open_pool(processes, len(tasks)) as pool:
        for done, problems in enumerate(pool.map(_make, tasks), 1):
            lines += [to_line(problem) + "\n" for problem in problems]
            progress(done, len(tasks))
    data = "".join(lines).encode()
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _make(task: Task) -> list[Problem]:
    family, part = task
    if part in DIFFICULTIES:
        return list(generated(family, part))
    if part == "docstring":
        return list(from_docstrings())
    makers = {"wording": reworded, "composition": compositions, "deeper": deeper}
    return list(makers[part](family))
