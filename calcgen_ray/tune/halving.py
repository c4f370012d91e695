"""Successive halving over whole trainings: many with few epochs, the best again with more.

A learning rate that falls over a training's own length makes scores within it poor judges: at its
first epoch an eight-epoch training is still where its rate is highest. So a rung is not a part of
one long training but a training of its own length, from the start: all proposals with the fewest
epochs of the space, the best of them anew with the next, and so on. Source: Jamieson and Talwalkar,
arXiv:1502.07943, algorithm 1; theirs goes on from what was trained, ours begins anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from calcgen_ray.config import TuneConfig
from calcgen_ray.tune import proposals
from calcgen_ray.tune.study import Trial

EPOCHS = "train.epochs"


def applies(tune: TuneConfig) -> bool:
    """Whether the rungs of asha are trainings of different lengths."""
    law = tune.space.get(EPOCHS, {})
    return tune.scheduler == "asha" and tune.searcher != "grid" and "choice" in law


def count(tune: TuneConfig) -> int:
    """How many trials the search is to have."""
    return sum(sizes(tune)) if applies(tune) else proposals.count(tune)


def lengths(tune: TuneConfig) -> list[int]:
    """The epochs of each rung, fewest first."""
    return sorted(set(tune.space[EPOCHS]["choice"]))


def sizes(tune: TuneConfig) -> list[int]:
    """Trials of each rung: tune.trials, then one in tune.reduction_factor of the rung before."""
    found = [tune.trials]
    for _ in lengths(tune)[1:]:
        found.append(max(1, math.ceil(found[-1] / tune.reduction_factor)))
    return found


def climb(
    tune: TuneConfig, seed: int, number: int, trials: Mapping[int, Trial]
) -> dict[str, Any] | None:
    """The values of the trial of that number; None while the rung before it is not over."""
    rung, place, before = _where(tune, number)
    if rung == 0:
        return _first(tune, seed, number, trials)
    rivals = [trials[k] for k in before if k in trials]
    if len(rivals) < len(before) or any(trial.state == "running" for trial in rivals):
        return None
    ranked = sorted(rivals, key=lambda trial: (_worth(trial), trial.number))
    return {**ranked[place].values, EPOCHS: lengths(tune)[rung]}


def _first(tune: TuneConfig, seed: int, number: int, trials: Mapping[int, Trial]) -> dict[str, Any]:
    """A proposal for the lowest rung, from what its own trials came to."""
    space = {key: law for key, law in tune.space.items() if key != EPOCHS}
    told = [
        replace(trials[k], values={key: trials[k].values[key] for key in space})
        for k in range(number)
        if k in trials and math.isfinite(trials[k].perplexity)
    ]
    values = proposals.propose(tune.model_copy(update={"space": space}), seed, number, told)
    return {**values, EPOCHS: lengths(tune)[0]}


def _where(tune: TuneConfig, number: int) -> tuple[int, int, range]:
    """Rung and place in it of a trial, and the numbers of the rung before."""
    first, before = 0, range(0)
    for rung, size in enumerate(sizes(tune)):
        if number < first + size:
            return rung, number - first, before
        first, before = first + size, range(first, first + size)
    raise ValueError(f"trial {number}: the search has {first}")


def _worth(trial: Trial) -> float:
    return trial.perplexity if math.isfinite(trial.perplexity) else math.inf
