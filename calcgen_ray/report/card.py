"""The model card of a base: what it is made of, how it was trained, what it can and cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

TEMPLATE = "card.md"


def write_card(path: Path, recipe: Mapping[str, Any]) -> None:
    """Fills `report/card.md` with a recipe's facts."""
    template = (files(__package__) / TEMPLATE).read_text("utf-8")
    for name, text in _facts(recipe).items():
        template = template.replace(f"[[{name}]]", text)
    path.write_text(template, "utf-8")


def _facts(recipe: Mapping[str, Any]) -> dict[str, str]:
    shape, corpus = recipe["settings"]["architecture"], recipe["corpus"]
    read = [(name, r["version"], r["licence"]) for name, r in recipe["read"].items()]
    return {
        "layers": str(shape["layers"]),
        "width": str(shape["width"]),
        "heads": str(shape["heads"]),
        "vocab": f"{shape['vocab_size']:,}",
        "positions": f"{shape['positions']:,}",
        "cells": f"{corpus['cells']:,}",
        "packages": table(("package", "version", "licence"), read),
        "sources": table(("source", "cells"), corpus["by_source"].items()),
        "tokens": f"{recipe['tokens'] / 1e6:,.1f}",
        "steps": f"{recipe['steps']:,}",
        "start": _start(recipe.get("start")),
        "hours": f"{recipe['seconds'] / 3600:.1f}",
        "workers": f"{recipe['workers']} {recipe['device']} workers in {recipe['precision']}",
        "curve": table(("step", "perplexity"), [tuple(p.values()) for p in recipe["curve"]]),
        "recipe": recipe["recipe"],
        "corpus": corpus["sha256"],
    }


def _start(start: Mapping[str, Any] | None) -> str:
    """What the training went on from, and that from."""
    if start is None:
        return "From random weights:"
    earlier = start.get("start")
    begin = f"{_start(earlier)} " if earlier else "From random weights "
    return (
        f"{begin}{start['steps']:,} steps and {start['tokens'] / 1e6:,.1f} M scored tokens on\n"
        f"{start['corpus']['cells']:,} texts in {start['seconds'] / 3600:.1f} hours "
        f"(recipe `{start['recipe'][:12]}`). Then:"
    )


def table(head: Sequence[str], rows: Any) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(f"{c:,}" if isinstance(c, int) else str(c) for c in line) + " |"
        for line in lines
    )
