"""Plots of a run as PNG: training loss, validation perplexity, learning rate by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calcgen_ray.train import journal

LOSS = "loss.png"
PERPLEXITY = "perplexity.png"
BLUE, ORANGE, GREY = "#3060a8", "#d9772b", "#9a9a9a"


def plot_run(folder: Path) -> list[Path]:
    """Draws what the journal in `folder` holds and returns the files."""
    entries = journal.read(folder / journal.JOURNAL)
    steps = [e for e in entries if e["event"] == "step"]
    scores = [e for e in entries if e["event"] == "eval" and e.get("perplexity") is not None]
    drawn = [_plot_loss(folder / LOSS, steps, scores)] if steps else []
    return drawn + ([_plot_perplexity(folder / PERPLEXITY, scores)] if len(scores) > 1 else [])


def _figure(title: str, ylabel: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel="optimizer step", ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure, axes


def _plot_loss(path: Path, steps: Sequence[Any], scores: Sequence[Any]) -> Path:
    figure, axes = _figure("Loss", "nats per token")
    x, y = [e["step"] for e in steps], [e["loss"] for e in steps]
    axes.plot(x, y, color=BLUE, alpha=0.3, linewidth=1)
    weight = 1 - 1 / max(1.0, len(y) / 25)
    axes.plot(x, smooth(y, weight), color=BLUE, linewidth=2, label="training")
    if scores:
        points = [e["step"] for e in scores], [e["valid_loss"] for e in scores]
        axes.plot(*points, "o-", color=ORANGE, label="validation, unpacked")
    axes.set_ylim(bottom=0)
    right = axes.twinx()
    right.plot(x, [e["lr"] for e in steps], color=GREY, linestyle=":", linewidth=1.2)
    right.set_ylabel("learning rate (dotted)", color=GREY)
    right.set_ylim(0, 1.35 * max([e["lr"] for e in steps], default=0.0) or 1.0)  # below the key
    right.spines[["top", "left"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path)
    return path


def _plot_perplexity(path: Path, scores: Sequence[Any]) -> Path:
    figure, axes = _figure("Perplexity on validation cells", "perplexity (log)")
    by_logarithm(axes)
    x, y = [e["step"] for e in scores], [e["perplexity"] for e in scores]
    axes.plot(x, y, "o-", color=ORANGE)
    for place in (0, -1):
        label = f"{y[place]:,.{0 if y[place] >= 1000 else 2}f}"
        axes.annotate(label, (x[place], y[place]), (6, 6), textcoords="offset points")
    figure.savefig(path)
    return path


def by_logarithm(axes: Any) -> None:
    """Makes the vertical axis logarithmic, with plain numbers: 4.1, not 4.1 x 10^0."""
    from matplotlib.ticker import LogFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(LogFormatter())
    axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.4)))


def smooth(values: Sequence[float], weight: float) -> list[float]:
    """Exponential moving average with the start-up bias taken out (Adam, arXiv:1412.6980, 3)."""
    mean, out = 0.0, []
    for count, value in enumerate(values, 1):
        mean = weight * mean + (1 - weight) * value
        out.append(mean / (1 - weight**count))
    return out
