"""Proposals: a grid in order, random draws by number, TPE from what is known."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgen_ray.config import TuneConfig
from calcgen_ray.tune.proposals import count, propose
from calcgen_ray.tune.study import Trial

SPACE = {
    "optim.lr": {"log_uniform": (1e-5, 1e-1)},
    "optim.weight_decay": {"uniform": (0.0, 0.3)},
    "train.batch_size": {"int_uniform": (8, 64)},
    "train.epochs": {"choice": (1, 2, 4)},
}


def test_a_grid_is_every_combination_once():
    space = {"optim.lr": {"choice": (1e-3, 1e-2)}, "train.epochs": {"choice": (1, 2, 4)}}
    tune = TuneConfig(searcher="grid", space=space, trials=1)
    assert count(tune) == 6
    points = [propose(tune, 0, number, []) for number in range(6)]
    assert points[0] == {"optim.lr": 1e-3, "train.epochs": 1}
    assert points[4] == {"optim.lr": 1e-2, "train.epochs": 2}
    assert len({tuple(point.items()) for point in points}) == 6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 500), st.sampled_from(["random", "optuna"]))
def test_draws_are_within_the_laws_and_depend_on_seed_and_number_alone(seed, number, searcher):
    tune = TuneConfig(searcher=searcher, space=SPACE)
    told = [Trial(n, propose(tune, seed, n, []), "finished", [(1.0, 2.0 + n)]) for n in range(5)]
    values = propose(tune, seed, number, told if number > 5 else told[:number])
    assert values == propose(tune, seed, number, told if number > 5 else told[:number])
    assert list(values) == list(SPACE)
    assert 1e-5 <= values["optim.lr"] <= 1e-1 and 0 <= values["optim.weight_decay"] <= 0.3
    assert values["train.batch_size"] in range(8, 65) and values["train.epochs"] in (1, 2, 4)


def test_tpe_comes_nearer_than_chance():
    """On a bowl in log lr with its bottom at 1e-3, over ten seeds."""

    def best_of(searcher, seed):
        tune = TuneConfig(searcher=searcher, trials=20, space={"optim.lr": SPACE["optim.lr"]})
        told = []
        for number in range(20):
            values = propose(tune, seed, number, told)
            away = math.log10(values["optim.lr"]) + 3
            told.append(Trial(number, values, "finished", [(1.0, 2 + away**2)]))
        return min(trial.perplexity for trial in told) - 2

    tpe, chance = (sum(best_of(name, s) for s in range(10)) for name in ("optuna", "random"))
    assert tpe < chance / 2


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"searcher": "grid"}, "space.optim.lr: must be choice"),
        ({"scheduler": "pbt"}, "space.train.epochs: cannot change while a model trains"),
        ({"scheduler": "pbt", "trials": 6, "population": 4}, "no multiple of population 4"),
        ({"scheduler": "pbt", "searcher": "optuna"}, "optuna does not go with scheduler pbt"),
        (
            {
                "searcher": "grid",
                "space": {f"optim.{n}": {"choice": (0.1,) * 1000} for n in "abcd"},
            },
            "a grid of 1,000,000,000,000 points; at most 10,000",
        ),
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"report_to": ("aim",)}, "tensorboard"),
    ],
)
def test_plans_that_cannot_be_are_refused(values, told):
    with pytest.raises(ValueError, match=told):
        TuneConfig.model_validate(values)
