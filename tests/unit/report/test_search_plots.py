"""Numbers behind a search's plots."""

import math

from calcgen_ray.report.search import best_so_far
from calcgen_ray.tune.study import Trial


def test_what_diverged_spends_tokens_and_is_never_best():
    trials = [
        Trial(2, {}, "pruned", [(1.0, 2.5)], 30),
        Trial(0, {}, "diverged", [(1.0, 1.0), (2.0, math.nan)], 50),
        Trial(1, {}, "finished", [(1.0, 3.0)], 100),
        Trial(3, {}, "failed", [], 7),
    ]
    assert best_so_far(trials) == [(150, 3.0), (180, 2.5), (187, 2.5)]
    assert best_so_far(trials[1:2]) == []
