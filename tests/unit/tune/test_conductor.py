"""A whole search without Ray: a simulated trainer, interrupted anywhere, ends the same."""

import math
import shutil
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgen_ray.config import Config
from calcgen_ray.train import journal
from calcgen_ray.tune.conductor import Conductor
from calcgen_ray.tune.study import Study, ranked

SPACE = {"optim.lr": {"log_uniform": [1e-5, 1e-1]}, "train.epochs": {"int_uniform": [1, 8]}}
LADDER = {"optim.lr": {"log_uniform": [1e-5, 1e-1]}, "train.epochs": {"choice": [1, 2, 4, 8]}}


def plan(**tune):
    return Config.model_validate({"tune": {"space": SPACE, "trials": 12, **tune}})


def loss(values, epochs):
    away = math.log10(values.get("optim.lr", 1e-3)) + 3
    return 2 + away**2 + 1 / epochs


class Killed(Exception):
    pass


def simulate(config, folder, kill_after=None, at_once=2, clock=lambda: 0.0):
    """Runs proposals an epoch at a time, in turns; raises Killed after so many checkpoints.

    As the loop does, an epoch is in the trial's journal before it is told, and a trial that goes on
    tells its last one again, or its donor's, unless it was through.
    """
    study = Study(folder, {"a": 1})
    heard = []
    conductor = Conductor(config, study, heard.append, clock)
    running, kept = {}, 0

    def tell(ident, values, epoch):
        over = epoch >= values["train.epochs"]
        score = {"perplexity": loss(values, epoch), "epoch": float(epoch), "step": epoch}
        if not conductor.scored(ident, score) or over:
            conductor.ended(ident, failed=False)
            running.pop(ident, None)

    while True:
        while len(running) < at_once and not conductor.is_over():
            ident = f"id{len(heard)}"
            found = conductor.propose(ident)
            if found is None:
                break
            values, home = found["values"], Path(found["folder"])
            epoch = done(home) or (done(Path(found["donor"])) if found["donor"] else 0)
            running[ident] = [values, epoch, home]
            if epoch >= values["train.epochs"]:
                conductor.ended(ident, failed=False)
                del running[ident]
            elif epoch:
                tell(ident, values, epoch)
        if not running:
            return study, heard
        for ident, job in list(running.items()):
            values, epoch, home = job[0], job[1] + 1, job[2]
            job[1] = epoch
            kept += 1
            for entry in (
                {"event": "step", "step": epoch, "tokens": 100},
                {"event": "eval", "step": epoch, "epoch": float(epoch),
                 "perplexity": loss(values, epoch)},
            ):  # fmt: skip
                journal.append(home / journal.JOURNAL, entry)
            if kept == kill_after:
                raise Killed
            tell(ident, values, epoch)


def done(home):
    """Epochs of a trial's newest checkpoint."""
    return max((int(e["step"]) for e in journal.read(home / journal.JOURNAL)), default=0)


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


PLANS = {
    "none": {"scheduler": "none"}, "asha": {"scheduler": "asha"}, "median": {"scheduler": "median"},
    "asha+optuna": {"scheduler": "asha", "searcher": "optuna"},
    "grid": {"scheduler": "asha", "searcher": "grid", "space": {
        "optim.lr": {"choice": [1e-4, 1e-3, 1e-2]}, "train.epochs": {"choice": [4, 8]}}},
    "rungs": {"scheduler": "asha", "space": LADDER, "trials": 6, "reduction_factor": 3},
    "pbt": {"scheduler": "pbt", "population": 4, "space": {"optim.lr": SPACE["optim.lr"]}},
}  # fmt: skip


def plan_of(kind):
    optim = {"optim": {"schedule": "constant"}} if kind == "pbt" else {}
    tune = {"space": SPACE, "trials": 12, **PLANS[kind]}
    return Config.model_validate({"tune": tune, **optim})


def state_of(study):
    return {n: (t.values, t.state, t.scores, t.tokens, t.donor) for n, t in study.trials.items()}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30), max_size=4), st.sampled_from(list(PLANS)))
def test_killed_anywhere_it_comes_to_the_same_end(tmp_path_factory, kills, kind):
    config = plan_of(kind)
    at_once = 1 if kind == "asha+optuna" else 2  # TPE goes by what the others have at that moment
    whole, _ = simulate(config, tmp_path_factory.mktemp("whole"), at_once=at_once)
    folder = tmp_path_factory.mktemp("cut")
    for kill in kills:
        try:
            simulate(config, folder, kill, at_once)
        except Killed:
            continue
    cut, _ = simulate(config, folder, at_once=at_once)
    assert state_of(cut) == state_of(whole)
    assert ranked(cut.trials.values())[0].number == ranked(whole.trials.values())[0].number


@pytest.mark.parametrize("kind", PLANS)
def test_each_score_is_told_once_more_and_judged_no_more(tmp_path, kind):
    """Trials whose processes were lost go on from their last checkpoint and tell of it again."""
    study = Study(tmp_path, {"a": 1})
    conductor = Conductor(plan_of(kind), study, lambda event: None, lambda: 0.0)
    rung = {"epoch": 1.0, "tokens": 100}
    for ident, perplexity in (("a", 5.0), ("b", 4.0), ("c", 3.0), ("d", 2.0)):
        conductor.propose(ident)
        conductor.scored(ident, {**rung, "perplexity": perplexity})
    states = [trial.state for trial in study.trials.values()]
    for ident, state in zip("abcd", states, strict=True):
        assert conductor.scored(ident, {**rung, "perplexity": 99.0}) == (state == "running")
    assert [trial.state for trial in study.trials.values()] == states
    assert [t.scores for t in study.trials.values()] == [[(1.0, p)] for p in (5.0, 4.0, 3.0, 2.0)]


def test_a_score_and_its_verdict_are_one_write(tmp_path, monkeypatch):
    study = Study(tmp_path, {"a": 1})
    conductor = Conductor(plan(scheduler="asha", searcher="grid", space=PLANS["grid"]["space"]),
                          study, lambda event: None, lambda: 0.0)  # fmt: skip
    for ident in "ab":
        conductor.propose(ident)
    conductor.scored("a", {"perplexity": 3.0, "epoch": 1.0, "tokens": 100})
    written = []
    monkeypatch.setattr(Study, "save", lambda self: written.append(state_of(self)[1][1:3]))
    assert not conductor.scored("b", {"perplexity": 4.0, "epoch": 1.0, "tokens": 100})
    assert written == [("pruned", [(1.0, 4.0)])]


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_the_last_score_is_not_judged(tmp_path, kind):
    """The worst of all at its last epoch has finished: ending it there saves nothing."""
    space = {"optim.lr": {"choice": [1e-4, 1e-3, 1e-2, 1e-1]}}
    tune = {"scheduler": kind, "searcher": "grid", "space": space, "max_tokens": 350}
    for length, last in (("epochs", 2), ("steps", 9)):
        study = Study(tmp_path / length, {})
        config = Config.model_validate({"tune": tune, "train": {length: last}})
        conductor = Conductor(config, study, lambda event: None, lambda: 0.0)
        for place, ident in enumerate("abcd"):
            conductor.propose(ident)
            score = {"perplexity": 2.0 + place, "epoch": 2.0, "step": 9, "tokens": 100}
            assert conductor.scored(ident, score)
            conductor.ended(ident, failed=False)
        assert {trial.state for trial in study.trials.values()} == {"finished"}
        assert conductor.is_over()


def test_a_member_is_not_credited_with_its_donors_score(tmp_path):
    config = plan_of("pbt")
    study = Study(tmp_path, {})
    conductor = Conductor(config, study, lambda event: None, lambda: 0.0)
    for ident, perplexity in zip("abcd", (4.0, 3.0, 2.0, 5.0), strict=True):
        conductor.propose(ident)
        conductor.scored(ident, {"perplexity": perplexity, "epoch": 1.0, "tokens": 5})
        conductor.ended(ident, failed=False)
    children = {ident: conductor.propose(ident) for ident in "efgh"}
    assert children["h"]["donor"].endswith("0002") and study.trials[7].since == 1.0
    assert conductor.scored("h", {"perplexity": 2.0, "epoch": 1.0, "tokens": 5})
    assert math.isnan(study.trials[7].perplexity)
    conductor.scored("h", {"perplexity": 6.0, "epoch": 2.0, "tokens": 9})
    assert study.trials[7].scores == [(2.0, 6.0)]
    assert Study(tmp_path, {}).trials[7].since == 1.0


def test_a_member_waits_for_a_donor_that_runs_again(tmp_path):
    config = plan_of("pbt")
    with pytest.raises(Killed):
        simulate(config, tmp_path, kill_after=6)
    study = Study(tmp_path, {"a": 1})
    child = next(trial for trial in study.trials.values() if trial.donor is not None)
    shutil.rmtree(study.home(child.donor))
    study = Study(tmp_path, {"a": 1})
    assert study.again[0] == child.donor and study.trials[child.donor].scores == []
    conductor = Conductor(config, study, lambda event: None, lambda: 0.0)
    assert conductor.propose("a")["number"] == child.donor
    while (found := conductor.propose("b")) is not None:
        assert study.trials[found["number"]].donor != child.donor
    cut, _ = simulate(config, tmp_path)
    whole, _ = simulate(config, tmp_path / "whole")
    assert state_of(cut) == state_of(whole)


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


@pytest.mark.parametrize("kind", PLANS)
def test_a_lost_proposal_is_made_again(tmp_path, kind):
    """study.json is cut off and a trial's folder gone with it: its number is free, and taken."""
    config, folder = plan_of(kind), tmp_path / "cut"
    whole, _ = simulate(config, tmp_path / "whole", at_once=1)
    with pytest.raises(Killed):
        simulate(config, folder, kill_after=9, at_once=1)
    (folder / "study.json").write_text("{")
    shutil.rmtree(folder / "trials" / "0001")
    cut, heard = simulate(config, folder, at_once=1)
    assert "0001" in {event["trial"] for event in heard if event["event"] == "start"}
    assert set(cut.trials) == set(whole.trials)
    if kind in ("none", "grid", "pbt"):
        assert {n: t.values for n, t in cut.trials.items()} == {
            n: t.values for n, t in whole.trials.items()
        }


def test_seconds_are_counted_over_processes_and_a_raised_limit_reopens(tmp_path):
    def search(most, seconds):
        ticks = iter(range(0, 10**6, 2))
        return simulate(plan(scheduler="none", trials=4, max_seconds=float(most)), tmp_path,
                        clock=lambda: float(next(ticks)), kill_after=seconds)[0]  # fmt: skip

    with pytest.raises(Killed):
        search(10**6, 4)
    spent = Study(tmp_path, {"a": 1}).seconds
    assert spent > 0
    study = search(spent + 4, None)
    assert "stopped" in {trial.state for trial in study.trials.values()}
    assert spent < study.seconds
    assert len(simulate(plan(scheduler="none", trials=4, max_seconds=spent), tmp_path)[1]) == 0
    study = search(10**6, None)
    whole, _ = simulate(plan(scheduler="none", trials=4), tmp_path / "whole")
    assert state_of(study) == state_of(whole)


def test_scores_that_were_lost_on_their_way_are_judged_before_a_later_one(tmp_path):
    """A trial that went on from between two scorings never tells the one that it had before."""
    study = Study(tmp_path, {})
    conductor = Conductor(plan(scheduler="asha", searcher="grid", space=PLANS["grid"]["space"]),
                          study, lambda event: None, lambda: 0.0)  # fmt: skip
    homes = [Path(conductor.propose(ident)["folder"]) for ident in "ab"]
    for epoch in (1, 2, 3):
        conductor.scored("a", {"perplexity": 3.0, "epoch": float(epoch), "tokens": 5})
        entry = {"event": "eval", "step": epoch, "epoch": float(epoch), "perplexity": 4.0}
        journal.append(homes[1] / journal.JOURNAL, entry)
    assert not conductor.scored("b", {"perplexity": 4.0, "epoch": 3.0, "tokens": 5})
    assert study.trials[1].scores == [(1.0, 4.0)] and study.trials[1].state == "pruned"


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
