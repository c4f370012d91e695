"""Successive halving over whole trainings, in the simulated search of test_conductor.py."""

import math
from itertools import pairwise

from calcgen_ray.tune.study import ranked
from tests.unit.tune.test_conductor import LADDER, plan, simulate


def test_rungs_are_whole_trainings_of_the_best(tmp_path):
    """6 with one epoch, their best 2 anew with two, the best of those with four, with eight."""
    tune = {"space": LADDER, "trials": 6, "reduction_factor": 3, "searcher": "optuna"}
    study, heard = simulate(plan(scheduler="asha", **tune), tmp_path)
    trials = list(study.trials.values())
    assert [t.values["train.epochs"] for t in trials] == [1] * 6 + [2, 2, 4, 8]
    assert all(trial.state == "finished" and trial.donor is None for trial in trials)
    first = sorted(trials[:6], key=lambda t: t.perplexity)
    assert [t.values["optim.lr"] for t in trials[6:8]] == [t.values["optim.lr"] for t in first[:2]]
    assert trials[9].values["optim.lr"] == first[0].values["optim.lr"]
    assert ranked(trials)[0].number == 9
    assert sum(t.tokens for t in trials) == 100 * (6 + 4 + 4 + 8)
    starts = [event["trial"] for event in heard if event["event"] == "start"]
    ends = [event["trial"] for event in heard if event["event"] == "end"]
    assert set(ends[:6]) == set(starts[:6])  # a rung begins when the one before it is over


def test_the_first_proposals_lie_apart(tmp_path):
    study, _ = simulate(plan(trials=4, searcher="optuna", scheduler="none"), tmp_path)
    rates = sorted(math.log10(trial.values["optim.lr"]) for trial in study.trials.values())
    assert all(b - a > 0.5 for a, b in pairwise(rates))  # of 4 decades
