"""Population-based training: the worst members go on from the best ones' checkpoints.

Trial number g * population + m is member m in generation g. A generation begins when the one
before it is over, so that everything is decided by the seed and the scores alone, and a search that
was interrupted comes to the same end. Source: Jaderberg et al., arXiv:1711.09846: exploit by
truncation selection, explore by perturbing or drawing anew; theirs is asynchronous.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from calcgen_ray.config import TuneConfig
from calcgen_ray.space import Distribution
from calcgen_ray.tune.proposals import draw
from calcgen_ray.tune.study import Trial

QUANTILE = 0.25
"""Share of the members that are replaced, and of those that replace them; one at least."""
RESAMPLE = 0.25
FACTORS = (0.8, 1.25)


@dataclass(frozen=True, slots=True)
class Member:
    """What a member trains with next, and whose checkpoint it goes on from."""

    values: dict[str, Any]
    donor: int | None


def generation(tune: TuneConfig, number: int) -> int:
    return number // tune.population


def breed(tune: TuneConfig, seed: int, number: int, trials: Mapping[int, Trial]) -> Member | None:
    """The member of that number; None while the generation before it is not over."""
    rng, born = Random(f"{seed}/{number}"), generation(tune, number)
    if born == 0:
        return Member({key: draw(law, rng) for key, law in tune.space.items()}, None)
    first = (born - 1) * tune.population
    parents = [trials[first + m] for m in range(tune.population) if first + m in trials]
    if len(parents) < tune.population or any(one.state == "running" for one in parents):
        return None
    ranked = sorted(parents, key=_worth)
    replaced = max(1, int(QUANTILE * len(ranked)))
    own = trials[number - tune.population]
    if own in ranked[-replaced:] or math.isinf(_worth(own)[0]):
        donor = rng.choice(ranked[:replaced])
        return Member(explore(tune.space, donor.values, rng), donor.number)
    return Member(dict(own.values), own.number)


def explore(
    space: Mapping[str, Distribution], values: Mapping[str, Any], rng: Random
) -> dict[str, Any]:
    """Each value times 0.8 or 1.25, or drawn anew; a choice moves to a neighbour."""
    return {
        key: draw(law, rng) if rng.random() < RESAMPLE else _moved(law, values[key], rng)
        for key, law in space.items()
    }


def _moved(law: Distribution, value: Any, rng: Random) -> Any:
    (name, values), = law.items()  # fmt: skip
    if name == "choice":
        return _neighbour(values, value, rng)
    low, high = values
    moved = min(high, max(low, value * rng.choice(FACTORS)))
    return round(moved) if name == "int_uniform" else moved


def _neighbour(values: Sequence[Any], value: Any, rng: Random) -> Any:
    place = list(values).index(value) + rng.choice((-1, 1))
    return values[min(len(values) - 1, max(0, place))]


def _worth(trial: Trial) -> tuple[float, int]:
    """Its last perplexity, which is that of the checkpoint that would be handed on."""
    last = trial.scores[-1][1] if trial.scores and trial.state == "finished" else math.inf
    return (last if math.isfinite(last) else math.inf, trial.number)
