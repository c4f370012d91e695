"""From a document's raw cells to cells that run alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from calcgen_ray.corpus.cell import Cell, Source, fault
from calcgen_ray.corpus.magics import strip_magics
from calcgen_ray.corpus.slicing import self_contained

_CHAPTER = re.compile(r"(?:^|[^a-z])(?:chapter|chap|ch|lecture|lesson|week|unit|part)[ _-]*0*(\d+)")
_NUMBERED = re.compile(r"^0*(\d+)[-_. ]")


def to_cells(
    source: Source, document: str, raw: Iterable[str], licence: str, counts: Counter[str]
) -> list[Cell]:
    """Cells of one document in order; what cannot be used is counted by reason."""
    plain: list[str] = []
    for text in raw:
        cleaned, reason = strip_magics(text)
        reason = reason or fault(cleaned)
        if reason is None:
            plain.append(cleaned.strip("\n") + "\n")
        elif reason != "empty":
            counts[f"{source}: {reason}"] += 1
    return [
        Cell(source, document, i, cell, _alone(plain[:i], cell), licence=licence,
             group=group_of(document))
        for i, cell in enumerate(plain)
    ]  # fmt: skip


def _alone(previous: list[str], cell: str) -> str:
    try:
        return self_contained(previous, cell)
    except RecursionError:
        return cell


def group_of(document: str) -> str:
    """What the split keeps together: the chapter that a file's name tells, else the file.

    `figures/ch07_x.ipynb` and `exercises/ch07_y.ipynb` share code, so both are "ch07"; a name that
    begins with a number ("03-limits.md") is of that chapter too.
    """
    name = document.rsplit("/", 1)[-1].lower()
    found = _CHAPTER.search(name) or _NUMBERED.match(name)
    return f"ch{int(found[1]):02d}" if found else document
