"""How a search looks while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from calcgen_ray.cli.screen import Screen, text_of
from calcgen_ray.train import journal
from calcgen_ray.tune.study import TRIALS

MOST_ROWS = 20
"""Of the live table: the trials that run, then the best."""


class SearchView:
    """Hears a search's events (tune/conductor.py); steps are read in its trials' journals."""

    def __init__(self, screen: Screen, total: int, folder: Path) -> None:
        self.screen = screen
        self.begin(total, folder)

    def begin(self, total: int, folder: Path) -> None:
        """Shows another search of so many trials, in `folder`, from now on."""
        self.total, self.over, self.folder = total, 0, folder
        self.trials: dict[str, dict[str, Any]] = {}
        self._steps: dict[str, int] = {}
        self._read: dict[str, int] = {}

    def __call__(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "note":
            self.screen.say(f"  {event['text']}")
            return
        self.trials[event["trial"]], self.over = dict(event), event["over"]
        if not self.screen.is_live:
            self.screen.say(f"  trial {event['trial']}: {_line(event)}")

    def table(self) -> Table:
        """The trials as they stand."""
        drawn = Table(title=f"{self.over} of {self.total} trials are over", title_justify="left")
        ranked = sorted(self.trials.values(), key=_place)
        keys = list(ranked[0]["values"]) if ranked else []
        for name in ("trial", *(key.rsplit(".", 1)[-1] for key in keys)):
            drawn.add_column(name)
        for name in ("done", "step", "perplexity", "state"):
            drawn.add_column(name, justify="left" if name == "state" else "right")
        for trial in ranked[:MOST_ROWS]:
            drawn.add_row(*_cells(trial, self._step(trial["trial"])))
        if len(ranked) > MOST_ROWS:
            drawn.caption = f"and {len(ranked) - MOST_ROWS} more"
        return drawn

    def _step(self, name: str) -> int:
        """The optimizer step that a trial has come to; 0 before its first."""
        path = self.folder / TRIALS / name / journal.JOURNAL
        entries, self._read[name] = journal.read_from(path, self._read.get(name, 0))
        if entries:
            self._steps[name] = entries[-1]["step"]
        return self._steps.get(name, 0)


def _place(trial: Mapping[str, Any]) -> tuple[bool, float]:
    score = trial["perplexity"]
    return trial["state"] != "running", score if math.isfinite(score) else math.inf


def _cells(trial: Mapping[str, Any], step: int) -> list[str]:
    values = [text_of(value) for value in trial["values"].values()]
    score = f"{trial['perplexity']:.3f}" if math.isfinite(trial["perplexity"]) else ""
    return [trial["trial"], *values, f"{trial['epochs']:g}", str(step or ""), score,
            trial["state"]]  # fmt: skip


def _line(event: Mapping[str, Any]) -> str:
    values = ", ".join(f"{k.rsplit('.', 1)[-1]} {text_of(v)}" for k, v in event["values"].items())
    if event["event"] == "start":
        return values + (f", going on from epoch {event['epochs']:g}" if event["resumed"] else "")
    if event["event"] == "result":
        return f"epoch {event['epochs']:g}, perplexity {event['perplexity']:.3f}"
    return f"{event['state']}: {event['error']}" if event["error"] else str(event["state"])
