"""A search's state: whole after any crash, made anew from the trials' folders when it is lost."""

import json
import math
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.errors import ConfigError
from calcgen_ray.train import journal
from calcgen_ray.tune.study import PROPOSAL, STATE, Study, Trial, ranked, read

SETTINGS = {"optim.lr": 0.1, "tune.space": {"optim.lr": {"choice": [1, 2]}}}


def filled(folder):
    study = Study(folder, SETTINGS)
    for number in range(4):
        study.add(Trial(number, {"optim.lr": number + 1}))
    study.record(0, 1.0, 5.0, 100)
    study.close(0, "pruned")
    study.record(1, 1.0, 4.0, 100)
    study.record(1, 2.0, 3.0, 200)
    study.close(1, "finished")
    study.record(2, 1.0, 4.5, 100)
    study.close(3, "failed", "lost")
    return study


def scored(folder, number, epoch, perplexity):
    """What the loop leaves in a trial's journal."""
    for entry in (
        {"event": "step", "step": epoch, "tokens": 100},
        {"event": "eval", "step": epoch, "epoch": float(epoch), "perplexity": perplexity},
    ):
        journal.append(folder / "trials" / f"{number:04d}" / journal.JOURNAL, entry)


def test_what_was_over_stays_and_the_rest_runs_again(tmp_path):
    filled(tmp_path)
    study = Study(tmp_path, SETTINGS)
    assert study.again == [2, 3]
    assert [study.trials[n].state for n in range(4)] == ["pruned", "finished", "running", "running"]
    assert study.trials[2].scores == [(1.0, 4.5)] and study.tokens == 400
    assert study.next_number == 4


def test_a_score_of_the_same_epochs_is_replaced(tmp_path):
    study = filled(tmp_path)
    study.record(2, 1.0, 4.4, 90)
    study.record(2, 2.0, 4.0, 180)
    study.record(2, 1.0, 4.3, 95)  # it went on from before its first epoch
    assert study.trials[2].scores == [(1.0, 4.3)] and study.trials[2].tokens == 95


def test_a_finished_trial_without_its_folder_runs_again(tmp_path):
    filled(tmp_path)
    shutil.rmtree(tmp_path / "trials" / "0001")
    study = Study(tmp_path, SETTINGS)
    assert study.again == [1, 2, 3] and study.trials[1].values == {"optim.lr": 2}
    assert study.trials[1].scores == [] and study.trials[1].tokens == 0


@pytest.mark.parametrize("size", [0, 1, 40, -20, None])
def test_a_cut_or_missing_state_is_made_from_the_folders(tmp_path, size):
    filled(tmp_path)
    path = tmp_path / STATE
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])
    for number, scores in ((0, [5.0]), (1, [4.0, 3.0]), (2, [4.5])):
        for epoch, perplexity in enumerate(scores, 1):
            scored(tmp_path, number, epoch, perplexity)
    study = Study(tmp_path, SETTINGS)
    assert study.again == [2, 3]
    assert [study.trials[n].values["optim.lr"] for n in range(4)] == [1, 2, 3, 4]
    assert [study.trials[n].state for n in range(4)] == ["pruned", "finished", "running", "running"]
    assert [t.scores for t in study.trials.values()] == [
        [(1.0, 5.0)], [(1.0, 4.0), (2.0, 3.0)], [(1.0, 4.5)], [],
    ]  # fmt: skip
    assert [t.tokens for t in study.trials.values()] == [100, 200, 100, 0]
    assert json.loads(path.read_text())["trials"]
    path.unlink()
    with pytest.raises(ConfigError, match="other settings"):
        Study(tmp_path, SETTINGS | {"optim.lr": 0.2})


def test_a_broken_proposal_is_passed_over(tmp_path):
    filled(tmp_path)
    (tmp_path / STATE).unlink()
    (tmp_path / "trials" / "0002" / PROPOSAL).write_text("{")
    study = Study(tmp_path, SETTINGS)
    assert set(study.trials) == {0, 1, 3} and study.next_number == 2


def test_other_settings_are_another_search(tmp_path):
    filled(tmp_path)
    with pytest.raises(ConfigError, match=r"made with optim.lr=0.1, now it is 0.2; choose another"):
        Study(tmp_path, SETTINGS | {"optim.lr": 0.2})


def test_another_order_of_the_keys_is_another_search(tmp_path):
    """Values are drawn in that order."""
    space = {"a": {"choice": [1, 2]}, "b": {"choice": [1, 2]}}
    Study(tmp_path, {"tune.space": space})
    Study(tmp_path, {"tune.space": dict(space)})
    with pytest.raises(ConfigError, match=r"made with tune.space=\{'a'.*now it is \{'b'"):
        Study(tmp_path, {"tune.space": dict(reversed(space.items()))})


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(0, 9) | st.sampled_from([math.nan, math.inf]), max_size=4),
            st.sampled_from(["finished", "diverged", "pruned"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_nan_and_diverged_are_never_best(lines):
    trials = [
        Trial(number, {}, state, [(float(e), p) for e, p in enumerate(scores, 1)])
        for number, (scores, state) in enumerate(lines)
    ]
    best = ranked(trials)[0]
    good = [t for t in trials if t.state != "diverged" and math.isfinite(t.perplexity)]
    if good:
        assert best in good and best.perplexity == min(t.perplexity for t in good)


def test_the_file_alone_can_be_read(tmp_path):
    assert read(tmp_path) == []
    study = filled(tmp_path)
    assert read(tmp_path) == list(study.trials.values())
