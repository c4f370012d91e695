"""Storage that a node does not see, a disk that fills up or turns read-only, and busy runs."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress

import pytest
import torch

from calcgen_ray import settings
from calcgen_ray.local_cluster import lifecycle, plan
from calcgen_ray.train.kept import CHECKPOINTS

from .conftest import Job

pytestmark = [pytest.mark.chaos, pytest.mark.ray, pytest.mark.timeout(600)]
DISK_MIB = 30


@pytest.fixture
def blind(machines, tmp_path):
    """A folder over which the node worker-2 has an empty file system of its own."""
    shared, state = tmp_path / "shared", machines.state
    shared.mkdir()
    machines.lose("worker-2")
    while "worker-2" in lifecycle.live_nodes(state):
        time.sleep(0.5)
    environment = plan.environment(os.environ, state.plan, state.ident, state.token)
    mount = f'mount -t tmpfs none "{shared}" && exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh",
               *state.plan.command("worker-2", state.temp)]  # fmt: skip
    with (tmp_path / "node.log").open("wb") as log:
        node = subprocess.Popen(
            command, env={**environment, plan.NODE_MARKER: "worker-2"}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 120
    while "worker-2" not in lifecycle.live_nodes(state):
        assert time.monotonic() < deadline and node.poll() is None, (
            tmp_path / "node.log"
        ).read_text()
        time.sleep(0.5)
    yield shared
    machines.lose("worker-2")
    node.wait()
    machines.mend()


def test_the_node_is_named_before_anything_is_trained(machines, blind, tiny_config, corpus):
    config = settings.replace(tiny_config, {"workers.count": 2})
    began = time.monotonic()
    job = machines.job("train", config, corpus, blind / "run")
    assert job.wait(120) == 2, job.log[-2000:]
    [line] = [line for line in job.log.splitlines() if line.startswith("error: ")]
    assert "run.storage: node" in line and "cannot use it: does not see what was written" in line
    assert str(blind) in line and "s3://" in line
    assert time.monotonic() - began < 60
    assert not job.journal and not [p for p in (blind / "run").iterdir() if "probe" in p.name]
    shutil.rmtree(blind / "run")


def test_a_plan_that_cannot_fit_is_refused_within_a_minute(machines, tiny_config, corpus, tmp_path):
    greedy = settings.replace(tiny_config, {"workers.count": 2, "workers.cpus": 2.0})
    began = time.monotonic()
    job = machines.job("train", greedy, corpus, tmp_path / "run")
    assert job.wait(120) == 2
    assert "workers.count=2 x 2 CPU = 4 CPU, but the cluster has 2, its largest node 1" in job.log
    assert time.monotonic() - began < 60


@pytest.fixture(scope="module")
def saving(tiny_config):
    return settings.replace(
        tiny_config,
        {"workers.count": 2, "train.epochs": 4, "train.batch_size": 2, "train.checkpoint_steps": 3},
    )


@pytest.fixture(scope="module")
def unbroken(machines, saving, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    return machines.undisturbed("train", saving, corpus, folder).weights


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


def saved(entries):
    return any(entry["event"] == "checkpoint" for entry in entries)


def check_end(job, machines, reason):
    """The run ended with a line and gave all back."""
    assert job.wait(120) == 1, job.log[-2000:]
    [line] = [line for line in job.log.splitlines() if line.startswith("error: ")]
    assert "could not be" in line and reason in line and "are whole" in line
    assert machines.left() == (2, 2, 0)


def check_goes_on(job, unbroken):
    job.start()
    assert job.wait() == 0, job.log[-2000:]
    assert len([entry for entry in job.journal if entry["event"] == "start"]) > 1
    after = job.weights
    assert all(torch.equal(after[name], value) for name, value in unbroken.items())


def test_a_disk_that_fills_up_ends_the_run_whole(machines, saving, unbroken, corpus, tmp_path):
    disk = tmp_path / "run"  # and the driver's log beside it
    disk.mkdir()
    mount("-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", disk)
    try:
        job = machines.job("train", saving, corpus, disk)
        assert job.until(saved)
        with suppress(OSError), (disk / "others").open("wb", buffering=0) as file:
            while file.write(bytes(2**16)):
                pass
        check_end(job, machines, "No space left on device")
        (disk / "others").unlink()
        check_goes_on(job, unbroken)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_disk_that_turns_read_only_ends_the_run_whole(
    machines, saving, unbroken, corpus, tmp_path
):
    job = machines.job("train", saving, corpus, tmp_path / "run")
    assert job.until(saved)
    kept = job.folder / CHECKPOINTS
    mount("--bind", kept, kept)
    try:
        mount("-o", "remount,bind,ro", kept)
        check_end(job, machines, "Read-only file system")
    finally:
        subprocess.run(["umount", "--lazy", str(kept)], check=True)
    check_goes_on(job, unbroken)


def test_a_run_that_is_under_way_is_not_begun_twice(machines, saving, unbroken, corpus, tmp_path):
    first = machines.job("train", saving, corpus, tmp_path / "run")
    assert first.until(saved)
    second = Job("train", first.arguments, first.variables, first.folder)
    assert second.wait(60) == 2 and "under way in another process" in second.log
    assert first.wait() == 0, first.log[-2000:]
    after = first.weights
    assert all(torch.equal(after[name], value) for name, value in unbroken.items())


def test_a_busy_cluster_is_an_error_within_a_minute(machines, saving, corpus, tmp_path):
    first = machines.job(
        "train", settings.replace(saving, {"train.epochs": 1000}), corpus, tmp_path / "long"
    )
    assert first.until(saved)
    began = time.monotonic()
    second = machines.job("train", saving, corpus, tmp_path / "second")
    assert second.wait(120) == 2
    assert "workers.count=2 x 1 CPU: the cluster is busy" in second.log
    assert time.monotonic() - began < 60
    first.process.send_signal(signal.SIGTERM)
    assert first.wait(60) == 143
    assert machines.left() == (2, 2, 0)
