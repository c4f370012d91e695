"""Training on a real Ray cluster of this machine: two workers, lost workers, lost drivers."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import ray
import torch
from ray.exceptions import ActorUnavailableError
from safetensors.torch import load_file

from calcgen_ray import cluster, settings
from calcgen_ray.errors import ConfigError, DataError, ResourceError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.train import journal
from calcgen_ray.train.driver import START_SECONDS, train
from calcgen_ray.train.group import _Backend
from calcgen_ray.train.kept import CHECKPOINTS
from calcgen_ray.train.loop import Loop
from calcgen_ray.train.run import locked

pytestmark = pytest.mark.ray

INTERRUPTED = 130
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
DRIVER = f"""
import json, sys
from pathlib import Path
from calcgen_ray import cluster, settings
from calcgen_ray.train.driver import train
try:
    config = settings.from_dict(json.loads(sys.argv[1]))
    train(config, Path(sys.argv[2]), Path(sys.argv[3]), lambda entry: None)
except KeyboardInterrupt:
    sys.exit({INTERRUPTED})
finally:
    cluster.disconnect()
"""


def weights(folder: Path) -> dict[str, torch.Tensor]:
    last = checkpoints.latest(folder / CHECKPOINTS)
    return load_file(last.path / "model.safetensors")


@pytest.fixture(scope="module")
def two_workers(tiny_config):
    """Long enough for a loss to come before its end."""
    return settings.replace(tiny_config, {"workers.count": 2, "train.epochs": 12})


@pytest.fixture(scope="module")
def unbroken(two_workers, corpus, tmp_path_factory, ray_cluster):
    """A run of two workers that nothing disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "unbroken"
    heard = []
    result = train(two_workers, corpus, folder, heard.append)
    return folder, result, heard


def test_a_lost_worker_costs_steps_not_the_result(two_workers, corpus, tmp_path, unbroken):
    """Also: two workers end where one does, and the journal is heard as it grows."""
    whole, result, heard = unbroken
    assert result.workers == 2 and result.perplexity_final < result.perplexity_initial
    assert heard[0]["event"] == "start" and heard[-1]["event"] == "end"
    assert (whole / "metrics.csv").read_text().count("\n") > result.steps

    alone = tmp_path / "alone"
    alone.mkdir()
    Loop(settings.replace(two_workers, {"workers.count": 1}), corpus, alone).run()
    one, two = weights(alone), weights(whole)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-3, rtol=0)

    worker, killed = [], []

    def kill_once(entry):
        # The restarted worker does step 4 again, and its start line may be missed: once is enough.
        if entry["event"] == "start":
            worker.append(entry["pid"])
        if entry["event"] == "step" and entry["step"] == 4 and not killed:
            killed.append(worker[0])
            os.kill(worker[0], signal.SIGKILL)

    broken = tmp_path / "broken"
    train(two_workers, corpus, broken, kill_once)
    assert killed
    starts = [e for e in journal.read(broken / journal.JOURNAL) if e["event"] == "start"]
    assert len(starts) > 1 and starts[-1]["step"] > 0
    after = weights(broken)
    assert all(torch.equal(two[name], after[name]) for name in two)


def test_a_worker_that_is_told_to_end_saves_first(two_workers, corpus, tmp_path):
    """SIGTERM, as before a node goes: on from the step under way, though none was to be saved."""
    rare = settings.replace(
        two_workers,
        {"train.checkpoint_steps": 1000, "train.eval_steps": 1000, "train.epochs": 20},
    )
    worker, told = [], []

    def tell_once(entry):
        if entry["event"] == "start":
            worker.append(entry["pid"])
        if entry["event"] == "step" and entry["step"] == 4 and not told:
            told.append(worker[0])
            os.kill(worker[0], signal.SIGTERM)

    train(rare, corpus, tmp_path / "run", tell_once)
    entries = journal.read(tmp_path / "run" / journal.JOURNAL)
    starts = [entry["step"] for entry in entries if entry["event"] == "start"]
    steps = [entry["step"] for entry in entries if entry["event"] == "step"]
    assert told and len(starts) > 1 and starts[-1] >= 4
    assert steps == list(range(1, steps[-1] + 1))  # none is done again, none left out


def begin(config, corpus, folder):
    """A command that trains, once it has saved a checkpoint; and it as a list of words."""
    command = [sys.executable, "-c", DRIVER, json.dumps(config.model_dump(mode="json")),
               str(corpus), str(folder)]  # fmt: skip
    driver = subprocess.Popen(command, **QUIET)
    deadline = time.monotonic() + 120
    while not any(e["event"] == "checkpoint" for e in journal.read(folder / journal.JOURNAL)):
        assert time.monotonic() < deadline and driver.poll() is None
        time.sleep(0.05)
    return driver, command


def test_a_killed_command_goes_on(corpus, tmp_path, unbroken, two_workers):
    """SIGKILL the driver, start the same command again: same weights."""
    whole, folder = weights(unbroken[0]), tmp_path / "killed"
    driver, command = begin(two_workers, corpus, folder)
    driver.kill()
    driver.wait()
    assert journal.read(folder / journal.JOURNAL)[-1]["event"] != "end"
    subprocess.run(command, check=True, timeout=120, **QUIET)
    after = weights(folder)
    assert all(torch.equal(whole[name], after[name]) for name in whole)


def test_a_start_that_fails_late_holds_nothing(
    two_workers, corpus, tmp_path, monkeypatch, unbroken
):
    """As when a node is lost while its workers are told to begin: all CPUs were theirs."""
    heed, failed = _Backend.on_training_start, []

    def lose_once(self, *arguments):
        if not failed:
            failed.append(True)
            raise ActorUnavailableError("Connection reset by peer", b"0" * 16)
        heed(self, *arguments)

    monkeypatch.setattr(_Backend, "on_training_start", lose_once)
    begun = time.monotonic()
    train(two_workers, corpus, tmp_path / "run", lambda entry: None)
    assert failed and time.monotonic() - begun < START_SECONDS  # nobody waited for room
    whole, after = weights(unbroken[0]), weights(tmp_path / "run")
    assert all(torch.equal(whole[name], after[name]) for name in whole)


def test_an_interrupt_ends_the_workers_too(corpus, tmp_path, two_workers):
    folder = tmp_path / "interrupted"
    driver, _ = begin(settings.replace(two_workers, {"train.epochs": 1000}), corpus, folder)
    worker = Path(f"/proc/{journal.read(folder / journal.JOURNAL)[0]['pid']}")
    assert worker.exists()
    driver.send_signal(signal.SIGINT)
    assert driver.wait(30) == INTERRUPTED
    assert journal.read(folder / journal.JOURNAL)[-1]["event"] != "end"
    deadline = time.monotonic() + 10
    while worker.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_finished_run_is_only_read(two_workers, corpus, unbroken):
    folder, result, _ = unbroken
    heard = []
    assert train(two_workers, corpus, folder, heard.append) == result
    assert not heard


def test_other_settings_under_one_name_are_refused(two_workers, corpus, unbroken):
    changed = settings.replace(two_workers, {"optim.lr": 1e-4})
    with pytest.raises(ConfigError, match=r"made with optim.lr=0.0005, now it is 0.0001"):
        train(changed, corpus, unbroken[0], lambda e: None)


def test_two_processes_cannot_share_a_run(two_workers, corpus, unbroken):
    with locked(unbroken[0]), pytest.raises(ConfigError, match="under way"):
        train(two_workers, corpus, unbroken[0], lambda e: None)


def test_a_plan_that_cannot_fit_shows_the_arithmetic(two_workers, corpus, tmp_path, ray_cluster):
    greedy = settings.replace(two_workers, {"workers.count": 64})
    with pytest.raises(ResourceError, match=r"64 x 1 CPU = 64 CPU, but the cluster has"):
        train(greedy, corpus, tmp_path / "greedy", lambda e: None)


def test_a_busy_cluster_is_waited_for_and_then_named(two_workers, ray_cluster):
    workers, told = two_workers.workers, []
    holder = ray.remote(num_cpus=1)(type("Holder", (), {"there": lambda self: True})).remote()
    assert ray.get(holder.there.remote())
    with pytest.raises(ResourceError, match=r"count=2 x 1 CPU: the cluster is busy, .* only 1 fit"):
        cluster.await_room(workers, "cpu", told.append, seconds=1)
    assert told == ["waiting for room for 2 workers of 1 CPU: 1 fit in what is free"]
    threading.Timer(1.0, ray.kill, [holder]).start()
    cluster.await_room(workers, "cpu", told.append, seconds=30)
    assert len(told) == 2
    cluster.await_room(workers, "cpu", told.append)
    assert len(told) == 2


def test_an_error_in_a_worker_comes_back_as_itself_at_once(tiny_config, tmp_path, ray_cluster):
    patient = settings.replace(tiny_config, {"workers.max_failures": 1000})
    with pytest.raises(DataError, match="corpus build"):
        train(patient, tmp_path, tmp_path / "run", lambda e: None)
