"""What a search tries next: points of a grid, random draws, or proposals of Optuna's TPE.

A proposal depends on the seed, its own number and the trials that are told, never on what this
process proposed before: so a search that was interrupted goes on as it would have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from random import Random
from typing import Any

from calcgen_ray.config import TuneConfig
from calcgen_ray.space import Distribution
from calcgen_ray.tune.study import Trial

STARTS = 4
"""Proposals before TPE has something to go by."""
GOLDEN = (math.sqrt(5) - 1) / 2


def count(tune: TuneConfig) -> int:
    """How many trials the search is to have; of a grid, the number of its points."""
    if tune.searcher != "grid":
        return tune.trials
    return math.prod(len(choices) for law in tune.space.values() for choices in law.values())


def propose(tune: TuneConfig, seed: int, number: int, told: Sequence[Trial]) -> dict[str, Any]:
    """The values of the trial of that number.

    Args:
        told: trials of lower numbers that have a perplexity.
    """
    if tune.searcher == "grid":
        return grid(tune.space)[number]
    if tune.searcher == "optuna" and number < STARTS:
        return {key: _start(law, seed, key, number) for key, law in tune.space.items()}
    if tune.searcher == "random":
        rng = Random(f"{seed}/{number}")
        return {key: draw(law, rng) for key, law in tune.space.items()}
    return _tpe(tune.space, seed, number, told)


def grid(space: Mapping[str, Distribution]) -> list[dict[str, Any]]:
    """All combinations of the choices, the first key changing slowest."""
    choices = [next(iter(law.values())) for law in space.values()]
    return [dict(zip(space, point, strict=True)) for point in product(*choices)]


def draw(law: Distribution, rng: Random) -> Any:
    """A value of that distribution."""
    (name, values), = law.items()  # fmt: skip
    if name == "choice":
        return rng.choice(values)
    if name == "int_uniform":
        return rng.randint(*values)
    return _between(law, rng.random())


def _start(law: Distribution, seed: int, key: str, number: int) -> Any:
    """Draws that do not fall together: of an interval, steps of the golden section from a random
    place, the additive recurrence whose points lie most evenly (Weyl)."""
    if not law.keys() & {"uniform", "log_uniform"}:
        return draw(law, Random(f"{seed}/{number}/{key}"))
    return _between(law, (Random(f"{seed}/{key}").random() + number * GOLDEN) % 1)


def _between(law: Distribution, share: float) -> float:
    """The value at that share of an interval."""
    (name, (low, high)), = law.items()  # fmt: skip
    if name == "uniform":
        return float(low + (high - low) * share)
    return math.exp(math.log(low) + (math.log(high) - math.log(low)) * share)


def _tpe(
    space: Mapping[str, Distribution], seed: int, number: int, told: Sequence[Trial]
) -> dict[str, Any]:
    """Tree-structured Parzen estimator (Bergstra et al. 2011) on the logarithm of perplexity."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=STARTS,
        seed=Random(f"{seed}/{number}").getrandbits(31),
    )  # fmt: skip
    laws = {key: _distribution(law) for key, law in space.items()}
    study = optuna.create_study(sampler=sampler)
    for trial in told:
        study.add_trial(
            optuna.trial.create_trial(
                params=trial.values, distributions=laws, value=math.log(trial.perplexity)
            )
        )
    return dict(study.ask(laws).params)


def _distribution(law: Distribution) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    (name, values), = law.items()  # fmt: skip
    if name == "choice":
        return CategoricalDistribution(values)
    if name == "int_uniform":
        return IntDistribution(*values)
    return FloatDistribution(*values, log=name == "log_uniform")
