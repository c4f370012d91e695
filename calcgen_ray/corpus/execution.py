"""Runs every cell once: alone in its self-contained form, and in order with those before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from calcgen_ray.corpus.cell import Cell
from calcgen_ray.judge import Runner
from calcgen_ray.problem import Outcome

DOCUMENTS = ("notebook", "script", "markdown")
Notify = Callable[[str, int, int], None]
"""Called with a stage's name, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Outcomes of a cell: alone, and in its document's order (the same where it has none)."""

    alone: Outcome
    in_order: Outcome


def run_cells(cells: Sequence[Cell], runner: Runner, notify: Notify) -> list[Runs]:
    """The outcomes of each cell, in the order of the cells."""
    alone: list[Outcome] = []
    jobs = [[cell.code] for cell in cells]
    for number, [outcome] in enumerate(runner.run_many(jobs, notebook=True), 1):
        alone.append(outcome)
        notify("run cells", number, len(cells))
    ordered = dict(zip(range(len(cells)), alone, strict=True))
    documents = _by_document(cells)
    texts = [[cells[i].plain for i in places] for places in documents]
    for places, outcomes in zip(documents, runner.run_many(texts, notebook=True), strict=True):
        ordered |= dict(zip(places, outcomes, strict=True))
    return [Runs(alone[i], ordered[i]) for i in range(len(cells))]


def _by_document(cells: Sequence[Cell]) -> list[list[int]]:
    documents: dict[str, list[int]] = defaultdict(list)
    for place, cell in enumerate(cells):
        if cell.source in DOCUMENTS:
            documents[cell.document].append(place)
    return list(documents.values())
