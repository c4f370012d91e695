"""A search on several nodes, of which some are lost, and whose driver is killed: the same best."""

import random
import re
import time

import pytest

from calcgen_ray import settings
from calcgen_ray.train import journal
from calcgen_ray.tune.study import read

pytestmark = [pytest.mark.chaos, pytest.mark.ray, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def search(tiny_config):
    return settings.replace(
        tiny_config,
        {
            "train.epochs": 30, "train.batch_size": 2, "workers.max_failures": 100,
            "tune.trials": 4, "tune.scheduler": "none", "tune.searcher": "grid",
            "tune.space": {"optim.lr": {"choice": [1e-5, 1e-4, 1e-3, 1e-2]}},
        },
    )  # fmt: skip


def best(job):
    return re.findall(r"best (\d+) (\S+)", job.log)[-1]


@pytest.fixture(scope="module")
def unbroken(machines, search, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken") / "search"
    return best(machines.undisturbed("tune", search, corpus, folder))


def finished(job):
    """Numbers of the trials that are over, and how often each began."""
    if not (job.folder / "study.json").is_file():
        return {}
    over = [trial.number for trial in read(job.folder) if trial.state == "finished"]
    return {number: begun(job.folder / "trials" / f"{number:04d}") for number in over}


def begun(trial):
    return sum(e["event"] == "start" for e in journal.read(trial / journal.JOURNAL))


def check(job, unbroken, machines, before):
    assert job.wait() == 0, job.log[-2000:]
    assert best(job) == unbroken
    after = finished(job)
    assert len(after) == 4 and all(after[n] == times for n, times in before.items())
    free, total, groups = machines.left()
    assert (free, groups) == (total, 0)


def test_nodes_lost_in_a_search(machines, search, corpus, unbroken, tmp_path):
    job = machines.job("tune", search, corpus, tmp_path / "search")
    for number in (1, 2):
        assert job.until(
            lambda _, over=number - 1: len(finished(job)) >= over and machines.train_workers()
        )
        machines.lose(f"worker-{number}")
        machines.mend()
    check(job, unbroken, machines, {})


def test_nodes_lost_as_soon_as_their_workers_are_there(
    machines, search, corpus, unbroken, tmp_path
):
    """Also while a worker is being told what to do, which Ray Train does not try again."""
    job, chance = machines.job("tune", search, corpus, tmp_path / "search"), random.Random(1)
    lost = 0
    while lost < 6 and job.until(lambda _: machines.train_workers()):
        time.sleep(chance.uniform(0, 1.5))
        machines.lose(f"worker-{lost % 2 + 1}")
        machines.mend()
        lost += 1
    check(job, unbroken, machines, {})
    assert lost >= 3  # by then the search may be over


def test_drivers_of_a_search_killed(machines, search, corpus, unbroken, tmp_path):
    job, before = machines.job("tune", search, corpus, tmp_path / "search"), {}
    for number in range(5):
        assert job.until(
            lambda _, over=number // 2: len(finished(job)) >= over and machines.train_workers()
        )
        before |= finished(job)
        job.cut()
    check(job, unbroken, machines, before)


def test_drivers_killed_as_soon_as_their_workers_are_there(
    machines, search, corpus, unbroken, tmp_path
):
    """Ray's own processes are still at work for them then, and make what nobody takes back."""
    job, chance = machines.job("tune", search, corpus, tmp_path / "search"), random.Random(0)
    for _ in range(10):
        assert job.until(lambda _: machines.train_workers())
        time.sleep(chance.uniform(0, 1.5))
        job.cut()
    check(job, unbroken, machines, {})
