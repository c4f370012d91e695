"""A whole search without Ray: a simulated trainer, interrupted anywhere, ends the same."""

import math
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgen_ray.config import Config
from calcgen_ray.train import journal
from calcgen_ray.tune.conductor import Conductor
from calcgen_ray.tune.study import Study, ranked

SPACE = {"optim.lr": {"log_uniform": [1e-5, 1e-1]}, "train.epochs": {"choice": [1, 2, 4, 8]}}


def plan(**tune):
    return Config.model_validate({"tune": {"space": SPACE, "trials": 12, **tune}})


def loss(values, epochs):
    away = math.log10(values.get("optim.lr", 1e-3)) + 3
    return 2 + away**2 + 1 / epochs


class Killed(Exception):
    pass


def simulate(config, folder, kill_after=None, at_once=2, clock=lambda: 0.0):
    """Runs proposals an epoch at a time, in turns; raises Killed after so many scores."""
    study = Study(folder, {"a": 1})
    heard = []
    conductor = Conductor(config, study, heard.append, clock)
    running, scores = {}, 0
    while True:
        while len(running) < at_once and not conductor.is_over():
            found = conductor.propose(f"id{len(heard)}")
            if found is None:
                break
            done = study.trials[found["number"]].epochs
            running[f"id{len(heard) - 1}"] = [found["values"], int(done)]
        if not running:
            return study, heard
        for ident, job in list(running.items()):
            values, epoch = job
            job[1] = epoch = epoch + 1
            scores += 1
            if kill_after is not None and scores > kill_after:
                raise Killed
            score = {
                "perplexity": loss(values, epoch),
                "epoch": float(epoch),
                "tokens": epoch * 100,
            }
            over = epoch >= values["train.epochs"]
            if not conductor.scored(ident, score) or over:
                conductor.ended(ident, failed=False)
                del running[ident]


@pytest.mark.parametrize("tune", [
    {"scheduler": "none"}, {"scheduler": "asha"}, {"scheduler": "median"},
    {"scheduler": "asha", "searcher": "optuna"},
    {"scheduler": "none", "searcher": "grid", "space": {
        "optim.lr": {"choice": [1e-4, 1e-3, 1e-2]}, "train.epochs": {"choice": [1, 4]}}},
])  # fmt: skip
def test_every_trial_ends_and_early_ends_save_tokens(tmp_path, tune):
    study, heard = simulate(plan(**tune), tmp_path)
    assert {trial.state for trial in study.trials.values()} <= {"finished", "pruned"}
    assert len(study.trials) == (6 if tune.get("searcher") == "grid" else 12)
    events = [event["event"] for event in heard]
    assert events.count("start") == events.count("end") == len(study.trials)
    if tune["scheduler"] == "asha":
        assert "pruned" in {trial.state for trial in study.trials.values()}


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 30), max_size=4), st.sampled_from(["random", "pbt"]))
def test_killed_anywhere_it_comes_to_the_same_best(tmp_path_factory, kills, kind):
    tune = {"scheduler": "none"}
    optim = {}
    if kind == "pbt":
        tune = {"scheduler": "pbt", "population": 4, "space": {"optim.lr": SPACE["optim.lr"]}}
        optim = {"optim": {"schedule": "constant"}}
    config = Config.model_validate({"tune": {"space": SPACE, "trials": 12, **tune}, **optim})
    whole, _ = simulate(config, tmp_path_factory.mktemp("whole"))
    folder = tmp_path_factory.mktemp("cut")
    for kill in kills:
        try:
            simulate(config, folder, kill_after=kill)
        except Killed:
            continue
    cut, _ = simulate(config, folder)
    assert {n: (t.values, t.state, t.scores) for n, t in cut.trials.items()} == {
        n: (t.values, t.state, t.scores) for n, t in whole.trials.items()
    }
    before = {n for n, t in whole.trials.items() if t.state == "finished"}
    assert ranked(cut.trials.values())[0].number == ranked(whole.trials.values())[0].number
    assert before == set(cut.trials)


def test_finished_trials_are_not_run_again(tmp_path):
    config = plan(scheduler="none")
    with pytest.raises(Killed):
        simulate(config, tmp_path, kill_after=20)
    over = {t.name for t in Study(tmp_path, {"a": 1}).trials.values() if t.state == "finished"}
    assert over
    _, heard = simulate(config, tmp_path)
    assert not over & {event["trial"] for event in heard if event["event"] == "start"}


def test_nan_ends_a_trial_and_is_never_best(tmp_path):
    study = Study(tmp_path, {})
    conductor = Conductor(plan(trials=2), study, lambda event: None, lambda: 0.0)
    conductor.propose("a")
    assert not conductor.scored("a", {"perplexity": math.nan, "epoch": 1.0, "tokens": 5})
    conductor.ended("a", failed=False)
    conductor.propose("b")
    assert conductor.scored("b", {"perplexity": 9.0, "epoch": 1.0, "tokens": 5})
    conductor.ended("b", failed=False)
    assert study.trials[0].state == "diverged" and "nan" in study.trials[0].error
    assert ranked(study.trials.values())[0].number == 1 and conductor.is_over()


def test_a_failure_keeps_its_reason(tmp_path):
    study = Study(tmp_path, {})
    conductor = Conductor(plan(trials=1), study, lambda event: None, lambda: 0.0)
    conductor.propose("a")
    conductor.failed("a", "OutOfMemory")
    conductor.ended("a", failed=True)
    assert (study.trials[0].state, study.trials[0].error) == ("failed", "OutOfMemory")


def test_scores_that_a_killed_process_did_not_hear_are_taken_from_the_journal(tmp_path):
    study = Study(tmp_path, {})
    conductor = Conductor(plan(trials=1), study, lambda event: None, lambda: 0.0)
    home = Path(conductor.propose("a")["folder"])
    conductor.scored("a", {"perplexity": 9.0, "epoch": 1.0, "tokens": 5})
    for entry in (
        {"event": "eval", "step": 0, "epoch": 0.0, "perplexity": 99.0},
        {"event": "step", "step": 1, "tokens": 7},
        {"event": "eval", "step": 1, "epoch": 1.0, "perplexity": 9.0},
        {"event": "step", "step": 2, "tokens": 7},
        {"event": "eval", "step": 2, "epoch": 2.0, "perplexity": 8.0},
    ):
        journal.append(home / journal.JOURNAL, entry)
    conductor.ended("a", failed=False)
    assert study.trials[0].scores == [(1.0, 9.0), (2.0, 8.0)]
    assert (study.trials[0].state, study.trials[0].tokens) == ("finished", 14)


def test_limits_of_tokens_and_of_time(tmp_path):
    study, _ = simulate(plan(scheduler="none", max_tokens=700), tmp_path / "t")
    assert 700 <= study.tokens <= 900 and len(study.trials) < 12
    ticks = iter(range(10**6))
    study, _ = simulate(plan(scheduler="none", max_seconds=20.0), tmp_path / "s",
                        clock=lambda: float(next(ticks)))  # fmt: skip
    assert len(study.trials) < 12 and "stopped" in {t.state for t in study.trials.values()}


def test_tpe_after_many_trials_is_near_the_bottom(tmp_path):
    study, _ = simulate(plan(trials=60, searcher="optuna", scheduler="asha"), tmp_path)
    best = ranked(study.trials.values())[0]
    rng = Random(0)
    chance = min(loss({"optim.lr": 10 ** rng.uniform(-5, -1)}, 8) for _ in range(20))
    assert len(study.trials) == 60 and best.perplexity <= chance + 0.05
