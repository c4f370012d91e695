"""How a search looks while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from calcgen_ray.cli.screen import Screen, text_of

MOST_ROWS = 20
"""Of the live table: the trials that run, then the best."""


class SearchView:
    """Hears a search's events (tune/conductor.py)."""

    def __init__(self, screen: Screen, total: int) -> None:
        self.screen = screen
        self.begin(total)

    def begin(self, total: int) -> None:
        """Shows another search of so many trials from now on."""
        self.total, self.over = total, 0
        self.trials: dict[str, dict[str, Any]] = {}

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
        for name in ("epochs", "step", "perplexity", "state"):
            drawn.add_column(name, justify="left" if name == "state" else "right")
        for trial in ranked[:MOST_ROWS]:
            drawn.add_row(*_cells(trial))
        if len(ranked) > MOST_ROWS:
            drawn.caption = f"and {len(ranked) - MOST_ROWS} more"
        return drawn


def _place(trial: Mapping[str, Any]) -> tuple[bool, float]:
    score = trial["perplexity"]
    return trial["state"] != "running", score if math.isfinite(score) else math.inf


def _cells(trial: Mapping[str, Any]) -> list[str]:
    values = [text_of(value) for value in trial["values"].values()]
    score = f"{trial['perplexity']:.3f}" if math.isfinite(trial["perplexity"]) else ""
    return [trial["trial"], *values, f"{trial['epochs']:g}", str(trial.get("steps") or ""), score,
            trial["state"]]  # fmt: skip


def _line(event: Mapping[str, Any]) -> str:
    values = ", ".join(f"{k.rsplit('.', 1)[-1]} {text_of(v)}" for k, v in event["values"].items())
    if event["event"] == "start":
        return values + (f", going on from epoch {event['epochs']:g}" if event["resumed"] else "")
    if event["event"] == "result":
        return f"epoch {event['epochs']:g}, perplexity {event['perplexity']:.3f}"
    return f"{event['state']}: {event['error']}" if event["error"] else str(event["state"])
