"""Which trials are ended early: rules over the scores of all trials, without memory of their own.

Each rule is asked when a trial has come to a new score. Scores are (epochs, perplexity); trials
are compared at the same number of epochs. A perplexity that is not finite counts as the worst.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median as middle

from calcgen_ray.config import TuneConfig

Scores = Sequence[tuple[float, float]]
MEDIAN_OTHERS = 3
"""The median rule waits for as many other trials."""


def keep(tune: TuneConfig, scores: Mapping[int, Scores], number: int) -> bool:
    """Whether the trial of that number goes on."""
    return RULES[tune.scheduler](tune, scores, number)


def halving(tune: TuneConfig, scores: Mapping[int, Scores], number: int) -> bool:
    """Asynchronous successive halving: in the best 1/eta of the trials at its rung, or the first.

    Rungs lie at grace_epochs * eta^k epochs. Source: Li et al., arXiv:1810.05934, algorithm 2;
    trials are stopped and never paused, so one that is judged early is not taken up again.
    """
    epochs = scores[number][-1][0]
    if epochs not in rungs(tune.grace_epochs, tune.reduction_factor, epochs):
        return True
    there = {other: _at(line, epochs) for other, line in scores.items()}
    reached = {other: perplexity for other, perplexity in there.items() if perplexity is not None}
    ranked = sorted(reached, key=lambda other: (_finite(reached[other]), other))
    return ranked.index(number) < max(1, len(ranked) // tune.reduction_factor)


def rungs(grace: int, factor: int, most: float) -> Iterable[float]:
    """The epochs at which trials are compared, up to `most`."""
    rung = float(grace)
    while rung <= most:
        yield rung
        rung *= factor


def median(tune: TuneConfig, scores: Mapping[int, Scores], number: int) -> bool:
    """Its best score is no worse than the median of the others' mean scores so far.

    Source: Golovin et al., Google Vizier, KDD 2017, section 3.2.2.
    """
    epochs = scores[number][-1][0]
    others = [
        _mean([p for at, p in line if 0 < at <= epochs])
        for other, line in scores.items()
        if other != number and line and line[-1][0] >= epochs
    ]
    if epochs < tune.grace_epochs or len(others) < MEDIAN_OTHERS:
        return True
    return min(_finite(p) for _, p in scores[number]) <= middle(others)


def never(tune: TuneConfig, scores: Mapping[int, Scores], number: int) -> bool:
    """Every trial goes to its end."""
    return True


RULES: Mapping[str, Callable[[TuneConfig, Mapping[int, Scores], int], bool]] = {
    "asha": halving, "median": median, "none": never, "pbt": never,
}  # fmt: skip


def _at(line: Scores, epochs: float) -> float | None:
    return next((perplexity for at, perplexity in line if at == epochs), None)


def _mean(values: Sequence[float]) -> float:
    return sum(map(_finite, values)) / len(values) if values else math.inf


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.inf
