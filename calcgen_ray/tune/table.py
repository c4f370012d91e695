"""What a search found: a row a trial, sorted by perplexity, as CSV, Markdown and JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcgen_ray.config import Config
from calcgen_ray.errors import TuneError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.train import journal, run
from calcgen_ray.train.kept import CHECKPOINTS
from calcgen_ray.tune import halving
from calcgen_ray.tune.study import Study, Trial

TABLE, MARKDOWN, JSON = "results.csv", "results.md", "results.json"
BEST = "best.yaml"
DECIDING = ("searcher", "scheduler", "space", "grace_epochs", "reduction_factor", "population",
            "interval_epochs")  # fmt: skip
"""Keys of `tune` that decide what is proposed and what is ended."""


@dataclass(frozen=True, slots=True)
class Row:
    """One trial. `perplexity` is its best; nan where it has none. `seconds` are of its steps."""

    trial: str
    values: Mapping[str, Any]
    perplexity: float
    epochs: float
    steps: int
    tokens: int
    seconds: float
    status: str
    checkpoint: str
    error: str = ""


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

    @property
    def failures(self) -> str:
        """A line on the trials that failed, empty where none did."""
        errors = [row.error for row in self.rows if row.status == "failed"]
        if not errors:
            return ""
        trials, them = ("1 trial", "it") if len(errors) == 1 else (f"{len(errors)} trials", "them")
        return f"{trials} failed: {errors[0].rstrip('.')}; the same command tries {them} again"


def count(config: Config) -> int:
    """How many trials the search is to have."""
    return halving.count(config.tune)


def dependencies(config: Config) -> dict[str, Any]:
    """What a search depends on, flat: another value of these makes another search."""
    tree = config.model_dump(mode="json")
    found = {
        key: value
        for key, value in run.flatten({name: part for name, part in tree.items() if name != "tune"})
        if key.startswith(run.WEIGHTS) and key not in run.FREE
    }
    return found | {f"tune.{key}": tree["tune"][key] for key in DECIDING}


def differing(one: Config, other: Config) -> list[str]:
    """The keys, those of `tune` and the searched ones apart, in which two searches differ."""
    free = {*one.tune.space, *other.tune.space}
    pair = [dependencies(config) for config in (one, other)]
    keys = [key for key in pair[0] if not key.startswith("tune.") and key not in free]
    return [key for key in keys if pair[0][key] != pair[1][key]]


def row(study: Study, trial: Trial) -> Row:
    """A trial's row from the study and the trial's folder."""
    home = study.home(trial.number)
    steps = [e for e in journal.read(home / journal.JOURNAL) if e["event"] == "step"]
    found = checkpoints.best(home / CHECKPOINTS)
    if (
        found is not None
        and trial.donor is not None
        and found.metrics.get("epoch", 0) <= trial.since
    ):
        found = checkpoints.latest(home / CHECKPOINTS)  # the best one is the donor's
    return Row(
        trial=trial.name,
        values=dict(trial.values),
        perplexity=math.nan if trial.state == "diverged" else trial.perplexity,
        epochs=round(trial.epochs, 2),
        steps=len(steps),
        tokens=trial.tokens,
        seconds=round(sum(step["seconds"] for step in steps), 2),
        status=trial.state,
        checkpoint=str(found.path) if found else "",
        error=trial.error,
    )


def settings_of(config: Config, best: Row) -> dict[str, Any]:
    """The dotted keys and values that train the best trial anew."""
    values = dict(best.values)
    if config.tune.scheduler == "pbt":
        values["train.epochs"] = max(1, round(best.epochs))
    return values


def write(result: TuneResult) -> None:
    """The table in three formats."""
    lines = [flat(row) for row in result.rows]
    heads = list(lines[0]) if lines else ["trial"]
    with (result.folder / TABLE).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, heads)
        writer.writeheader()
        writer.writerows(lines)
    body = [heads, ["---"] * len(heads), *(map(_cell, line.values()) for line in lines)]
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in body)
    (result.folder / MARKDOWN).write_text(text + "\n", "utf-8")
    plain = [{k: None if v != v else v for k, v in line.items()} for line in lines]
    (result.folder / JSON).write_text(json.dumps(plain, indent=1) + "\n", "utf-8")


def flat(row: Row) -> dict[str, Any]:
    """A row with a column for each searched key, numbers rounded for reading."""
    values = {key: _short(value) for key, value in row.values.items()}
    return {
        "trial": row.trial, **values, "perplexity": round(row.perplexity, 4),
        "done": row.epochs, "steps": row.steps, "tokens": row.tokens, "seconds": row.seconds,
        "status": row.status, "checkpoint": row.checkpoint, "error": row.error,
    }  # fmt: skip


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
