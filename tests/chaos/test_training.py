"""Workers, nodes and drivers that are killed while training: the weights are those of no fault.

Short forms, but for that of a lost node, are in tests/ray/test_training_on_ray.py.
"""

import os
import random
import signal
import time

import pytest
import torch

from calcgen_ray import settings

from .conftest import kill

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1800)]
LONG = pytest.mark.chaos
SAVES = 3
LAST_STEPS = 60
"""In which none is killed: they are over before a process is found and killed."""


@pytest.fixture(scope="module")
def config(tiny_config):
    return settings.replace(
        tiny_config,
        {"workers.count": 2, "workers.max_failures": 100, "train.epochs": 20,
         "train.batch_size": 2, "train.checkpoint_steps": SAVES},
    )  # fmt: skip


@pytest.fixture(scope="module")
def unbroken(machines, config, corpus, tmp_path_factory):
    """Weights and steps of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    job = machines.undisturbed("train", config, corpus, folder)
    return job.weights, job.journal[-1]["step"]


def check(job, unbroken, machines):
    """The run came to its end, with the same weights to the bit, and nothing is left behind."""
    assert job.process.poll() == 0, job.log[-2000:]
    after = job.weights
    assert all(torch.equal(after[name], value) for name, value in unbroken[0].items())
    free, total, groups = machines.left()
    assert (free, groups) == (total, 0)


def reached(step):
    return lambda entries: bool(entries) and entries[-1]["step"] >= step


def starts(job):
    return [entry for entry in job.journal if entry["event"] == "start"]


@LONG
@pytest.mark.parametrize("kills", [20])
def test_workers_killed_at_random_steps(machines, config, corpus, unbroken, tmp_path, kills):
    rng = random.Random(kills)
    steps = sorted(rng.sample(range(2, unbroken[1] - LAST_STEPS), kills))
    job = machines.job("train", config, corpus, tmp_path / "run")
    lost, began = [], time.monotonic()
    for step in steps:
        if not job.until(
            lambda e, step=step: reached(step)(e) and len(machines.train_workers()) == 2
        ):
            break
        victim = rng.choice(machines.train_workers())
        seen, before = len(starts(job)), job.journal[-1]["step"]
        kill(victim)
        job.until(lambda e, seen=seen: len([x for x in e if x["event"] == "start"]) > seen)
        lost.append(before - starts(job)[-1]["step"])
    assert job.wait() == 0, job.log[-2000:]
    print(f"\n{len(lost)} workers killed at steps {steps}: at most {max(lost)} steps done again, "
          f"{time.monotonic() - began:.0f} s")  # fmt: skip
    assert len(lost) == kills
    assert max(lost) <= SAVES
    check(job, unbroken, machines)


@pytest.mark.parametrize("losses", [1, pytest.param(4, marks=LONG)])
def test_nodes_lost(machines, config, corpus, unbroken, tmp_path, losses):
    job = machines.job("train", config, corpus, tmp_path / "run")
    for number in range(losses):
        name = f"worker-{number % 2 + 1}"
        assert job.until(reached((number + 1) * unbroken[1] // (losses + 2)))
        machines.lose(name)
        machines.mend()
    assert job.wait() == 0, job.log[-2000:]
    assert len(starts(job)) > losses
    check(job, unbroken, machines)


@LONG
@pytest.mark.parametrize("kills", [10])
def test_drivers_killed(machines, config, corpus, unbroken, tmp_path, kills):
    job = machines.job("train", config, corpus, tmp_path / "run")
    for number in range(kills):
        assert job.until(reached((number + 1) * unbroken[1] // (kills + 2)))
        job.cut()
    assert job.wait() == 0, job.log[-2000:]
    check(job, unbroken, machines)


@LONG
def test_a_worker_is_told_to_end_a_node_is_lost_the_driver_is_told_to_end(
    machines, config, corpus, unbroken, tmp_path
):
    """SIGTERM: a checkpoint after the step under way, and an exact way on from it."""
    rare = settings.replace(config, {"train.checkpoint_steps": 10_000, "train.eval_steps": 10_000})
    job = machines.job("train", rare, corpus, tmp_path / "run")

    def going_on(times):
        """The step from which the run goes on after it began so often."""
        assert job.until(lambda entries: len([e for e in entries if e["event"] == "start"]) > times)
        return starts(job)[-1]["step"]

    assert job.until(reached(9))  # of the second epoch, of eight steps each
    before, began = job.journal[-1]["step"], time.monotonic()
    os.kill(machines.train_workers()[1], signal.SIGTERM)
    resumed = going_on(1)
    print(f"\nSIGTERM to a worker at step {before}: on from {resumed} in "
          f"{time.monotonic() - began:.1f} s")  # fmt: skip
    steps = [entry["step"] for entry in job.journal if entry["event"] == "step"]
    assert resumed >= before and steps == list(range(1, len(steps) + 1))  # none done again

    assert job.until(reached(unbroken[1] // 3))
    machines.lose("worker-2")
    machines.mend()
    going_on(2)

    assert job.until(reached(unbroken[1] // 2))
    before, began = job.journal[-1]["step"], time.monotonic()
    job.process.send_signal(signal.SIGTERM)
    assert job.wait(60) == 143, job.log[-2000:]
    assert "told to end and saved a checkpoint" in job.log
    print(f"SIGTERM to the driver at step {before}: it left after {time.monotonic() - began:.1f} s")
    job.start()
    assert going_on(3) >= before
    assert job.wait() == 0, job.log[-2000:]
    check(job, unbroken, machines)


@LONG
def test_an_elastic_run_goes_on_with_what_is_left(machines, config, corpus, unbroken, tmp_path):
    elastic = settings.replace(config, {"workers.min_count": 1})
    job = machines.job("train", elastic, corpus, tmp_path / "run")
    assert job.until(reached(unbroken[1] // 3))
    machines.lose("worker-2")
    try:
        assert job.wait() == 0, job.log[-2000:]
    finally:
        machines.mend()
    assert [start["workers"] for start in starts(job)][-1] == 1
    after = job.weights
    for name, value in unbroken[0].items():  # sums in another order
        torch.testing.assert_close(after[name], value, atol=2e-3, rtol=0)
