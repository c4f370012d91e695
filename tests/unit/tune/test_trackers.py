"""Trackers hear of scores; one that fails or is missing stops nothing."""

import math

import pytest

from calcgen_ray.config import Config
from calcgen_ray.errors import ConfigError
from calcgen_ray.tune import trackers
from calcgen_ray.tune.trackers import telling

EVENT = {"event": "result", "trial": "0001", "values": {"optim.lr": 0.1}, "perplexity": 3.0,
         "tokens": 10, "epochs": 1.0, "state": "running"}  # fmt: skip


class Notes:
    def __init__(self, config, folder):
        self.heard, Notes.last = [], self

    def hear(self, event):
        self.heard.append(event["event"])
        if event["event"] == "error":
            raise ConnectionError("no answer from the tracker\nand more")

    def close(self):
        self.heard.append("closed")


def plan(*names):
    return Config.model_validate({"tune": {"report_to": names}})


def test_none_unless_asked_for(tmp_path):
    heard = []
    with telling(plan(), tmp_path, heard.append) as told:
        told(EVENT)
    assert heard == [EVENT] and list(tmp_path.iterdir()) == []


def test_one_that_fails_is_left_out_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(trackers.KINDS, "mlflow", (Notes, "json", "mlflow"))
    heard = []
    with telling(plan("mlflow"), tmp_path, heard.append) as told:
        for kind in ("result", "error", "result"):
            told({**EVENT, "event": kind})
    assert Notes.last.heard == ["result", "error"]
    [note] = [event["text"] for event in heard if event["event"] == "note"]
    assert note == "mlflow failed and is left out: no answer from the tracker"
    assert len(heard) == 4


def test_one_that_works_is_closed(tmp_path, monkeypatch):
    monkeypatch.setitem(trackers.KINDS, "wandb", (Notes, "json", "wandb"))
    with telling(plan("wandb"), tmp_path, lambda event: None) as told:
        told(EVENT)
    assert Notes.last.heard == ["result", "closed"]


def test_one_that_cannot_be_opened_is_left_out(tmp_path, monkeypatch):
    def refuse(config, folder):
        raise OSError("read-only")

    monkeypatch.setitem(trackers.KINDS, "wandb", (refuse, "json", "wandb"))
    heard = []
    with telling(plan("wandb"), tmp_path, heard.append) as told:
        told({**EVENT, "perplexity": math.nan})
    assert heard[0]["text"] == "wandb failed and is left out: read-only"


def test_a_package_that_breaks_when_it_is_imported_is_left_out(tmp_path, monkeypatch):
    """Any of its errors, as of another library's version; only one that is missing is refused."""
    package = tmp_path / "broken_tracker.py"
    package.write_text("raise AttributeError('np.float_ was removed')")
    monkeypatch.syspath_prepend(tmp_path)

    def make(config, folder):
        import broken_tracker

        return broken_tracker

    monkeypatch.setitem(trackers.KINDS, "mlflow", (make, "broken_tracker", "mlflow"))
    heard = []
    with telling(plan("mlflow"), tmp_path, heard.append) as told:
        told(EVENT)
    assert heard[0]["text"] == "mlflow failed and is left out: np.float_ was removed"
    assert heard[1:] == [EVENT]


def test_a_missing_package_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(trackers.KINDS, "wandb", (Notes, "no_such_module", "wandb"))
    with (
        pytest.raises(ConfigError, match=r"pip install 'calcgen-ray\[wandb\]'"),
        telling(plan("wandb"), tmp_path, lambda event: None),
    ):
        pass
