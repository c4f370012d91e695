"""A search on a real Ray cluster of this machine: Tune over Train, and what it leaves behind."""

import csv
import math

import pytest

from calcgen_ray import settings
from calcgen_ray.errors import DataError, ResourceError
from calcgen_ray.model.checkpoint import verify
from calcgen_ray.tune import table
from calcgen_ray.tune.driver import concurrency, tune

pytestmark = pytest.mark.ray


@pytest.fixture
def search(tiny_config):
    return settings.replace(
        tiny_config,
        {
            "tune.trials": 3,
            "tune.space": {"optim.lr": {"choice": [1e-5, 1e-2]}, "train.epochs": {"choice": [2]}},
        },
    )


def test_a_search_ranks_by_perplexity(search, corpus, tmp_path, ray_cluster):
    heard = []
    found = tune(search, corpus, tmp_path / "search", heard.append)
    assert len(found.rows) == 3
    scores = [row.perplexity for row in found.rows]
    assert scores == sorted(scores) and found.best.values["optim.lr"] == 1e-2
    assert {event["event"] for event in heard} >= {"start", "result"}
    winner = verify(type(tmp_path)(found.best.checkpoint))
    assert winner.metrics["perplexity"] == pytest.approx(found.best.perplexity)
    best = settings.load(str(tmp_path / "search" / table.BEST))
    assert best.optim.lr == 1e-2
    with (tmp_path / "search" / table.TABLE).open() as stream:
        assert [float(row["perplexity"]) for row in csv.DictReader(stream)] == pytest.approx(
            scores, abs=1e-3
        )
    assert (tmp_path / "search" / table.MARKDOWN).read_text().count("\n") == 5


def test_nan_is_never_best():
    rows = [
        table.Row(name, {}, value, 1, 1, 1.0, "finished", "")
        for name, value in [("a", math.nan), ("b", 3.0), ("c", 2.0), ("d", math.nan)]
    ]
    assert [row.trial for row in table.ranked(rows)] == ["c", "b", "a", "d"]


def test_concurrency_by_hand(search):
    has = {"CPU": 4.0, "GPU": 0.0}
    assert concurrency(search, has) == 3  # of 3 trials
    assert concurrency(settings.replace(search, {"workers.count": 2}), has) == 2
    with pytest.raises(ResourceError, match="2 fit"):
        concurrency(settings.replace(search, {"workers.count": 2, "tune.concurrent": 3}), has)
    with pytest.raises(ResourceError, match=r"lower workers.count"):
        concurrency(settings.replace(search, {"workers.count": 5}), has)


def test_a_search_without_validation_is_refused(search, tmp_path):
    from calcgen_ray.corpus import store

    store.write(tmp_path, [], {"by_split": {"train": 3}})
    with pytest.raises(DataError, match="valid_fraction"):
        tune(search, tmp_path, tmp_path / "search", lambda event: None)
