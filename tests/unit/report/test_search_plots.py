"""A search's plots, and the numbers behind them."""

import math
import warnings

import pytest

from calcgen_ray import settings
from calcgen_ray.report.search import best_so_far, plot_search
from calcgen_ray.tune.study import Study, Trial


def test_what_diverged_spends_tokens_and_is_never_best():
    trials = [
        Trial(2, {}, "pruned", [(1.0, 2.5)], 30),
        Trial(0, {}, "diverged", [(1.0, 1.0), (2.0, math.nan)], 50),
        Trial(1, {}, "finished", [(1.0, 3.0)], 100),
        Trial(3, {}, "failed", [], 7),
    ]
    assert best_so_far(trials) == [(150, 3.0), (180, 2.5), (187, 2.5)]
    assert best_so_far(trials[1:2]) == []


@pytest.mark.parametrize("trials", [1, 3])
def test_few_trials_are_drawn_whole(tmp_path, trials):
    """Nothing is left out for want of room, as matplotlib would warn."""
    config = settings.load("embedded")
    study = Study(tmp_path, {})
    for number in range(trials):
        study.add(Trial(number, {"optim.lr": 1e-4 * (1 + number // 2), "train.epochs": 2}))
        study.record(number, 1.0, 5.0, 100)
        study.close(number, "pruned" if number else "finished")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = plot_search(config, tmp_path)
    assert [path.stat().st_size > 5000 for path in drawn] == [True] * 4
