"""What a search found: a row a trial, sorted by perplexity, read back from the trials' folders."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from calcgen_ray.errors import CalcgenError, TuneError
from calcgen_ray.train import journal, run

TABLE = "results.csv"
MARKDOWN = "results.md"
BEST = "best.yaml"


@dataclass(frozen=True, slots=True)
class Row:
    """One trial. `perplexity` is its best; nan where it has none. `seconds` are of its steps."""

    trial: str
    values: Mapping[str, Any]
    perplexity: float
    epochs: float
    steps: int
    seconds: float
    status: str
    checkpoint: str


@dataclass(frozen=True, slots=True)
class TuneResult:
    folder: Path
    rows: Sequence[Row]

    @property
    def best(self) -> Row:
        """The trial with the lowest perplexity.

        Raises:
            TuneError: no trial has one.
        """
        if not self.rows or math.isnan(self.rows[0].perplexity):
            raise TuneError(f"{self.folder}: no trial reached a perplexity; see ray.log")
        return self.rows[0]


def read_row(folder: Path, keys: Sequence[str], status: str) -> Row:
    """A trial's row from its folder alone; the best checkpoint of those that verify."""
    tree = yaml.safe_load((folder / run.CONFIG).read_text("utf-8"))
    entries = journal.read(folder / journal.JOURNAL)
    scores = [entry for entry in entries if entry["event"] == "eval"]
    steps = [entry for entry in entries if entry["event"] == "step"]
    try:
        found = run.result(folder)
        checkpoint = str(found.checkpoint)
        perplexity = min((e["perplexity"] for e in scores if e["step"]), default=math.nan)
    except CalcgenError:
        checkpoint, perplexity = "", math.nan
    return Row(
        trial=folder.name,
        values={key: _at(tree, key) for key in keys},
        perplexity=perplexity,
        epochs=round(scores[-1]["epoch"], 2) if scores else 0.0,
        steps=len(steps),
        seconds=round(sum(step["seconds"] for step in steps), 2),
        status=status,
        checkpoint=checkpoint,
    )


def ranked(rows: Sequence[Row]) -> list[Row]:
    """By perplexity, those without one last: nan is never best."""
    return sorted(rows, key=lambda row: (math.isnan(row.perplexity), row.perplexity, row.trial))


def write(result: TuneResult) -> None:
    """The table as CSV and Markdown."""
    lines = [flat(row) for row in result.rows]
    with (result.folder / TABLE).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(lines[0]) if lines else ["trial"])
        writer.writeheader()
        writer.writerows(lines)
    heads = list(lines[0]) if lines else ["trial"]
    body = [heads, ["---"] * len(heads), *([str(v) for v in line.values()] for line in lines)]
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in body)
    (result.folder / MARKDOWN).write_text(text + "\n", "utf-8")


def flat(row: Row) -> dict[str, Any]:
    """A row with a column for each searched key, numbers rounded for reading."""
    values = {key: _short(value) for key, value in row.values.items()}
    return {
        "trial": row.trial, **values, "perplexity": round(row.perplexity, 4),
        "done": row.epochs, "steps": row.steps, "seconds": row.seconds,
        "status": row.status, "checkpoint": row.checkpoint,
    }  # fmt: skip


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _at(tree: Mapping[str, Any], key: str) -> Any:
    node: Any = tree
    for part in key.split("."):
        node = node[part]
    return node
