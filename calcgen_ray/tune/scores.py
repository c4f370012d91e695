"""What a trial's own journal says of it: its scores and the tokens that it was trained on."""

from __future__ import annotations

from pathlib import Path

from calcgen_ray.train import journal


def scores(home: Path, after: float = 0.0) -> list[tuple[float, float]]:
    """(epochs, perplexity) of each scoring after so many epochs, that of the start left out."""
    return [
        (float(entry["epoch"]), float(entry["perplexity"]))
        for entry in journal.read(home / journal.JOURNAL)
        if entry["event"] == "eval" and entry["step"] and "perplexity" in entry
        if entry["epoch"] > after
    ]


def tokens(home: Path) -> int:
    """Tokens of all its steps."""
    entries = journal.read(home / journal.JOURNAL)
    return sum(entry["tokens"] for entry in entries if entry["event"] == "step")
