"""An evaluation on a real Ray cluster: equal to a serial one, whatever is lost on the way."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from calcgen_ray import cluster, settings
from calcgen_ray.errors import CheckpointError, DataError, EvaluationError, ResourceError
from calcgen_ray.evaluate import records
from calcgen_ray.evaluate.driver import Actors, evaluate
from calcgen_ray.evaluate.examiner import open_examiner, tasks
from calcgen_ray.evaluate.records import Record

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """Where processes of the cluster put what is temporary."""
    folder = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def ray_cluster(scratch):
    cluster.connect(dashboard=False)
    yield
    cluster.disconnect()


@pytest.fixture(scope="module")
def config(tiny_config, tmp_path_factory):
    return settings.replace(tiny_config, {
        "run.storage": str(tmp_path_factory.mktemp("evaluations")),
        "evaluate.problems": 6, "evaluate.task_problems": 2, "evaluate.samples": 2,
        "evaluate.max_tokens": 24, "evaluate.workers": 2,
    })  # fmt: skip


def timeless(records: list[Record]) -> list[Record]:
    return [replace(record, seconds=0.0) for record in records]


@pytest.fixture(scope="module")
def serial(config, corpus, tiny_model) -> list[Record]:
    arguments = tiny_model, corpus, config.evaluate, config.judge, config.run.seed
    with open_examiner(*arguments) as examiner:
        return [r for task in tasks(config.evaluate, corpus) for r in examiner.examine(task)]


def left_in(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith("calcgen-")]


def test_records_equal_those_of_a_serial_run(
    config, corpus, tiny_model, serial, ray_cluster, scratch
):
    heard = []
    [(subject, figures)] = evaluate(
        [str(tiny_model)], config, corpus, lambda *told: heard.append(told)
    )
    assert timeless(subject.records()) == timeless(serial)
    assert len({r.code for r in serial}) > 6
    assert figures["perplexity"] > 1 and figures["samples"] == 2 and figures["problems"] == 6
    assert figures["isolation"] == config.judge.isolation
    assert heard[0][1:] == (0, 3) and heard[-1][1:] == (3, 3)
    assert left_in(scratch) == []  # neither converted weights nor a judge's folders

    heard.clear()  # what was measured is not measured again
    [(same, known)] = evaluate([str(tiny_model)], config, corpus, lambda *told: heard.append(told))
    assert (same, known, heard) == (subject, figures, [])

    (subject.home / "summary.json").unlink()  # a process that ended before the last task
    found = subject.records()
    records.write(subject.part(0), [replace(r, reason="kept") for r in found[:6]])
    subject.part(1).write_bytes(b"cut off")
    [(_, _)] = evaluate([str(tiny_model)], config, corpus, lambda *told: heard.append(told))
    assert heard[0][1:] == (1, 3)
    assert {r.reason for r in subject.records()[:6]} == {"kept"}
    assert timeless(subject.records()[6:]) == timeless(serial[6:])


def test_a_lost_process_costs_time_not_records(config, corpus, tiny_model, serial, ray_cluster):
    arguments = tiny_model, corpus, config.evaluate, config.judge, config.run.seed
    todo = dict(enumerate(tasks(config.evaluate, corpus)))
    with Actors(arguments, 1) as actors:
        first = actors._all[0]
        import ray

        ray.get(first.examine.remote([0]))
        os.kill(ray.get(first.pid.remote()), signal.SIGKILL)
        found = dict(actors.examine(todo))
    assert timeless([r for number in todo for r in found[number]]) == timeless(serial)


def test_a_task_that_ends_every_process_is_named(config, corpus, ray_cluster):
    arguments = Path("nowhere"), corpus, config.evaluate, config.judge, 0
    with (
        Actors(arguments, 1) as actors,
        pytest.raises(EvaluationError, match=r"task 0 \(problems 0 to 0\) ended 3 processes"),
    ):
        list(actors.examine({0: Lethal([0])}))


class Lethal(list):
    """A task that ends the process it is sent to."""

    def __reduce__(self):
        return os._exit, (3,)


def test_bad_input_is_told_before_any_work(config, corpus, tiny_model, ray_cluster, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint 'none-such'"):
        evaluate([str(tiny_model), "none-such"], config, corpus)
    with pytest.raises(DataError, match="holds no"):
        evaluate([str(tiny_model)], config, tmp_path)
    many = settings.replace(config, {"evaluate.workers": 99, "evaluate.problems": 5})
    with pytest.raises(ResourceError, match=r"evaluate\.workers: got 99, but the cluster has"):
        evaluate([str(tiny_model)], many, corpus)
