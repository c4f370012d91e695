"""Plots of an evaluation as PNG: right answers by family and by kind of problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLOURS = ("#9a9a9a", "#3060a8", "#d9772b", "#4c956c", "#8a5a9e", "#b8433f")
"""The first for the base, which stands first by custom."""

KINDS = {"easy": "easy", "medium": "medium", "hard": "hard", "unseen_wording": "unseen wording",
         "docstring": "SymPy's docstrings", "composition": "unseen compositions",
         "deeper": "deeper than trained", "all": "all"}  # fmt: skip


def plot_families(folder: Path, checkpoints: Sequence[Mapping[str, Any]]) -> Path:
    """Bars by family, one a checkpoint."""
    names = list(dict.fromkeys(f for c in checkpoints for f in c["correct"]["by_family"]))
    values = [[c["correct"]["by_family"].get(f) for f in names] for c in checkpoints]
    labels = [name.replace("_", "\n") for name in names]
    return _bars(folder / "correct_by_family.png", "Right answers by family", labels,
                 values, checkpoints)  # fmt: skip


def plot_levels(folder: Path, checkpoints: Sequence[Mapping[str, Any]]) -> Path:
    """Bars by difficulty and by group, one a checkpoint."""
    asked = [k for k in KINDS if any(c["correct"].get(k) is not None for c in checkpoints)]
    values = [[c["correct"].get(kind) for kind in asked] for c in checkpoints]
    return _bars(folder / "correct_by_kind.png", "Right answers by kind of problem",
                 [KINDS[kind].replace(" ", "\n") for kind in asked],
                 values, checkpoints)  # fmt: skip


def plot_depths(folder: Path, checkpoints: Sequence[Mapping[str, Any]]) -> Path:
    """Bars by the depth of the expression that is asked about, one a checkpoint."""
    found = {int(d): n["problems"] for c in checkpoints
             for d, n in c["correct"].get("by_depth", {}).items()}  # fmt: skip
    depths = sorted(found)
    values = [[c["correct"].get("by_depth", {}).get(str(d), {}).get("correct") for d in depths]
              for c in checkpoints]  # fmt: skip
    labels = [f"{depth}\n({found[depth]})" for depth in depths]
    return _bars(folder / "correct_by_depth.png",
                 "Right answers by depth of the expression (number of problems)",
                 labels, values, checkpoints)  # fmt: skip


def _bars(
    path: Path,
    title: str,
    labels: Sequence[str],
    values: Sequence[Sequence[float | None]],
    checkpoints: Sequence[Mapping[str, Any]],
) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(7.0, 0.95 * len(labels)), 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    width = 0.8 / max(1, len(checkpoints))
    for place, (heights, one) in enumerate(zip(values, checkpoints, strict=True)):
        x = [i + (place - (len(checkpoints) - 1) / 2) * width for i in range(len(labels))]
        y = [100 * (h or 0.0) for h in heights]
        colour = COLOURS[(place + (len(checkpoints) == 1)) % len(COLOURS)]
        bars = axes.bar(x, y, width * 0.92, color=colour, label=str(one["checkpoint"]))
        if len(checkpoints) <= 2:
            axes.bar_label(bars, [f"{h:.0f}" for h in y], fontsize=7, padding=1)
    axes.set(title=title, ylabel="greedy completions right, %", ylim=(0, 105))
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.set_axisbelow(True)
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=8,
                  loc="outside lower center", ncols=3)  # fmt: skip
    figure.savefig(path)
    return path
