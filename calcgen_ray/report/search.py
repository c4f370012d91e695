"""Plots of a search as PNG, from its study: heat map, curves, parallel coordinates, best so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calcgen_ray.config import Config
from calcgen_ray.report.plots import BLUE, GREY, ORANGE, by_logarithm
from calcgen_ray.tune.study import Trial, ranked, read

HEAT, CURVES, PARALLEL, SPENT = "heat_map.png", "curves.png", "parallel.png", "best_so_far.png"
MARKS = {"finished": "o", "pruned": "x", "stopped": "s", "running": ".", "failed": "x"}


def plot_search(config: Config, folder: Path) -> list[Path]:
    """Draws what the study in `folder` holds and returns the files; none without a score."""
    trials = read(folder)
    scored = [t for t in ranked(trials) if t.state != "diverged" and math.isfinite(t.perplexity)]
    if not scored:
        return []
    drawn = [
        _curves(folder / CURVES, scored), _spent(folder / SPENT, trials),
        _parallel(folder / PARALLEL, scored),
    ]  # fmt: skip
    if {"optim.lr", "train.epochs"} <= set(config.tune.space):
        drawn.insert(0, _heat(folder / HEAT, scored))
    return drawn


def _figure(title: str, xlabel: str, ylabel: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure, axes


def _heat(path: Path, trials: Sequence[Trial]) -> Path:
    """Learning rate x epochs: a tile for each pair of a grid, else a point for each trial."""
    rates = sorted({trial.values["optim.lr"] for trial in trials})
    epochs = sorted({trial.values["train.epochs"] for trial in trials})
    title = "Perplexity by learning rate and epochs"
    figure, axes = _figure(title, "learning rate", "epochs")
    if len(trials) == len(rates) * len(epochs) and len(trials) > 1:
        _tiles(figure, axes, trials, rates, epochs)
    else:
        _points(figure, axes, trials, epochs)
    figure.savefig(path)
    return path


def _tiles(
    figure: Any, axes: Any, trials: Sequence[Trial], rates: Sequence[Any], epochs: Sequence[Any]
) -> None:
    table = [[math.nan] * len(rates) for _ in epochs]
    for trial in trials:
        at = epochs.index(trial.values["train.epochs"]), rates.index(trial.values["optim.lr"])
        table[at[0]][at[1]] = trial.perplexity
    image = axes.imshow(table, cmap="viridis_r", aspect="auto", origin="lower")
    axes.grid(visible=False)
    axes.set_xticks(range(len(rates)), [f"{rate:.2g}" for rate in rates])
    axes.set_yticks(range(len(epochs)), [f"{n:g}" for n in epochs])
    middle = (image.norm.vmin + image.norm.vmax) / 2
    for y, line in enumerate(table):
        for x, value in enumerate(line):
            color = "black" if value < middle else "white"  # low is light
            axes.text(x, y, f"{value:.3f}", ha="center", va="center", color=color, fontsize=8)
    figure.colorbar(image, label="perplexity")


def _points(figure: Any, axes: Any, trials: Sequence[Trial], epochs: Sequence[Any]) -> None:
    states = sorted({trial.state for trial in trials})
    for state in states:
        some = [trial for trial in trials if trial.state == state]
        points = axes.scatter(
            [t.values["optim.lr"] for t in some], [t.values["train.epochs"] for t in some],
            c=[t.perplexity for t in some], cmap="viridis_r", marker=MARKS[state],
            vmin=min(t.perplexity for t in trials), vmax=max(t.perplexity for t in trials), s=70,
        )  # fmt: skip
    axes.margins(0.15)
    _rate_axis(axes)
    axes.set_yscale("log", base=2)
    axes.set_yticks(list(epochs), [f"{n:g}" for n in epochs])
    axes.minorticks_off()
    _mark_best(axes, trials)
    if len(states) > 1:
        keys = [axes.scatter([], [], c=GREY, marker=MARKS[state], s=50) for state in states]
        figure.legend(keys, states, loc="outside lower center", ncols=len(keys), frameon=False)
    figure.colorbar(points, label="perplexity")


def _mark_best(axes: Any, trials: Sequence[Trial]) -> None:
    """Rings the best point and says its perplexity, on the side where there is room."""
    rates = [trial.values["optim.lr"] for trial in trials]
    best = rates[0], trials[0].values["train.epochs"]
    left = rates[0] > math.sqrt(min(rates) * max(rates))
    axes.scatter(*best, s=190, facecolors="none", edgecolors=ORANGE, linewidths=2)
    axes.annotate(
        f"best {trials[0].perplexity:.3f}", best, (-10 if left else 10, 10),
        textcoords="offset points", ha="right" if left else "left", color=ORANGE,
    )  # fmt: skip


def _rate_axis(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _curves(path: Path, trials: Sequence[Trial]) -> Path:
    """Every trial's scores by epoch, the best one on top."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure("Trials", "epochs", "perplexity on validation cells (log)")
    by_logarithm(axes)
    for place, trial in reversed(list(enumerate(trials))):
        line = [(e, p) for e, p in trial.scores if e > 0 and math.isfinite(p)]
        if not line:
            continue
        color = BLUE if trial.state == "finished" else GREY
        style: dict[str, Any] = {"color": color, "alpha": 0.5, "linewidth": 1}
        if place == 0:
            style = {"color": ORANGE, "linewidth": 2, "zorder": 3}
        axes.plot(*zip(*line, strict=True), marker=".", **style)
    early = [(GREY, "ended early")] if any(t.state != "finished" for t in trials) else []
    for color, name in [(ORANGE, "best"), (BLUE, "finished"), *early]:
        axes.plot([], [], color=color, label=name)
    axes.legend(frameon=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=axes.get_xlim()[1] > 1))
    figure.savefig(path)
    return path


def best_so_far(trials: Sequence[Trial]) -> list[tuple[int, float]]:
    """(training tokens of all trials, lowest perplexity) after each, in order of their numbers.

    What diverged has spent its tokens and found nothing.
    """
    spent, best, line = 0, math.inf, []
    for trial in sorted(trials, key=lambda trial: trial.number):
        spent += trial.tokens
        if math.isfinite(trial.perplexity) and trial.state != "diverged":
            best = min(best, trial.perplexity)
        if math.isfinite(best):
            line.append((spent, best))
    return line


def _spent(path: Path, trials: Sequence[Trial]) -> Path:
    figure, axes = _figure("Best so far", "training tokens, all trials", "perplexity (log)")
    by_logarithm(axes)
    line = best_so_far(trials)
    axes.step(*zip(*line, strict=True), where="post", color=BLUE, linewidth=2)
    axes.annotate(f"{line[-1][1]:.3f}", line[-1], (-4, 8), textcoords="offset points", ha="right")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e6:g} M")
    figure.savefig(path)
    return path


def plot_race(path: Path, searches: Mapping[str, Path]) -> Path:
    """Draws the best so far of several searches, by name, against the tokens spent."""
    figure, axes = _figure("Best so far", "training tokens, all trials", "perplexity (log)")
    by_logarithm(axes)
    for color, (name, folder) in zip((ORANGE, BLUE, GREY), searches.items(), strict=False):
        line = best_so_far(read(folder))
        axes.step(*zip(*line, strict=True), where="post", color=color, linewidth=2, label=name)
        axes.plot(*line[-1], marker="o", color=color)
    axes.legend(frameon=False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e6:g} M")
    figure.savefig(path)
    return path


def _parallel(path: Path, trials: Sequence[Trial]) -> Path:
    """A line a trial through its values, scaled to each axis; coloured by perplexity."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    keys = list(trials[0].values)
    columns = [_numbers([trial.values[key] for trial in trials]) for key in keys]
    columns.append([trial.perplexity for trial in trials])
    figure, axes = _figure("Values and what came of them", "", "")
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.set(xlim=(-0.1, len(keys) + 0.1), ylim=(-0.05, 1.05))
    norm = Normalize(min(columns[-1]), max(columns[-1]))
    scaled = [_scaled(column) for column in columns]
    for place, trial in reversed(list(enumerate(trials))):
        color = colormaps["viridis_r"](norm(trial.perplexity))
        axes.plot([column[place] for column in scaled], color=color, linewidth=1.5)
    for x, column in enumerate(columns):
        axes.axvline(x, color=GREY, linewidth=0.8)
        for y, value in ((-0.06, min(column)), (1.03, max(column))):
            axes.text(x, y, f"{value:.3g}", ha="center", fontsize=8)
    axes.set_xticks(range(len(columns)), [*keys, "perplexity"])
    axes.tick_params(axis="x", length=0, pad=14)
    axes.spines[["left", "bottom"]].set_visible(False)
    figure.colorbar(ScalarMappable(norm, colormaps["viridis_r"]), ax=axes, label="perplexity")
    figure.savefig(path)
    return path


def _numbers(values: Sequence[Any]) -> list[float]:
    """The values, or where they are no numbers their places in the alphabet."""
    if all(isinstance(value, int | float) for value in values):
        return [float(value) for value in values]
    order = sorted({str(value) for value in values})
    return [float(order.index(str(value))) for value in values]


def _scaled(column: Sequence[float]) -> list[float]:
    """To 0..1, by the logarithm where all are positive and far apart."""
    low, high = min(column), max(column)
    if low > 0 and high / low > 2:
        column, low, high = [math.log(v) for v in column], math.log(low), math.log(high)
    return [(v - low) / (high - low) if high > low else 0.5 for v in column]
