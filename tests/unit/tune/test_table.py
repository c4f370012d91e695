"""The table of a search, and what a member of a population is handed."""

import csv
import json

import pytest

from calcgen_ray import settings
from calcgen_ray.errors import CheckpointError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.tune import table
from calcgen_ray.tune.study import Study, Trial
from calcgen_ray.tune.trial import hand_over


def keep(home, step, perplexity):
    """A checkpoint of that many epochs."""
    target = home / "checkpoints" / checkpoints.folder_name(step)
    metrics = {"perplexity": perplexity, "epoch": float(step)}
    checkpoints.write_folder(
        target, lambda draft: (draft / "config.json").write_text("{}"), step=step, metrics=metrics
    )
    return target


def test_hand_over_is_the_newest_whole_one_and_happens_once(tmp_path):
    donor, child = tmp_path / "0001", tmp_path / "0005"
    keep(donor, 1, 2.0)
    newest = keep(donor, 2, 3.0)
    keep(donor, 3, 4.0).joinpath("config.json").write_text("{ }")  # broken: not handed on
    hand_over(donor, child)
    [found] = (child / "checkpoints").iterdir()
    assert found.name == newest.name
    assert checkpoints.verify(found).digest == checkpoints.verify(newest).digest
    keep(donor, 4, 1.0)
    hand_over(donor, child)
    assert [path.name for path in (child / "checkpoints").iterdir()] == [newest.name]


def test_a_donor_without_a_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="0001: no checkpoint to go on from"):
        hand_over(tmp_path / "0001", tmp_path / "0005")
    assert not (tmp_path / "0005" / "checkpoints").exists()


def test_a_members_row_holds_its_own_checkpoint(tmp_path):
    """The donor's copy beside it has the lower perplexity, and is the donor's."""
    study = Study(tmp_path, {})
    study.add(Trial(0, {"optim.lr": 0.1}))
    study.add(Trial(4, {"optim.lr": 0.2}, donor=0, since=1.0))
    keep(study.home(0), 1, 2.0)
    hand_over(study.home(0), study.home(4))
    own = keep(study.home(4), 2, 3.0)
    study.record(4, 2.0, 3.0, 100)
    assert table.row(study, study.trials[4]).checkpoint == str(own)
    better = keep(study.home(4), 3, 1.5)
    assert table.row(study, study.trials[4]).checkpoint == str(better)


def failing(folder):
    study = Study(folder, {})
    for number in range(3):
        study.add(Trial(number, {"optim.lr": 0.1}))
    study.record(0, 1.0, 5.0, 100)
    study.close(0, "finished")
    study.close(1, "failed", "out of | memory")
    study.close(2, "failed", "lost")
    return table.TuneResult(folder, [table.row(study, one) for one in study.trials.values()])


def test_reasons_are_in_every_table(tmp_path):
    result = failing(tmp_path)
    table.write(result)
    with (tmp_path / table.TABLE).open() as stream:
        assert [line["error"] for line in csv.DictReader(stream)] == ["", "out of | memory", "lost"]
    found = json.loads((tmp_path / table.JSON).read_text())
    assert [line["error"] for line in found] == ["", "out of | memory", "lost"]
    lines = (tmp_path / table.MARKDOWN).read_text().splitlines()
    assert r"out of \| memory" in lines[3]
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
    assert result.failures == "2 trials failed: out of | memory; the same command tries them again"
    assert table.TuneResult(tmp_path, result.rows[:1]).failures == ""


def test_the_best_of_a_population_trains_to_its_own_epoch():
    pbt = settings.load("tune_configs/pbt.yaml")
    row = table.Row("0005", {"optim.lr": 0.1}, 2.0, 3.0, 1, 1, 1.0, "finished", "")
    assert table.settings_of(pbt, row) == {"optim.lr": 0.1, "train.epochs": 3}
