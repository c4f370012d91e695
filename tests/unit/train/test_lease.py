"""One process at a time trains a bucket's run, over a file system of this machine as the bucket."""

import json
import os
import signal
import time

import pytest

from calcgen_ray.errors import ConfigError, ResourceError
from calcgen_ray.storage import Mirror
from calcgen_ray.train import lease
from calcgen_ray.train.lease import Lease, held


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Gives a machine's own copy of the bucket, which is quick to be taken for gone."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(lease, "WATCH_SECONDS", 1.0)
    (tmp_path / "bucket").mkdir()
    return lambda name: Mirror(f"file://{tmp_path}/bucket/runs", name, tmp_path / "homes")


def claim(mirror, host="elsewhere", pid=7):
    """Another machine's claim on the run."""
    other = Lease(mirror, "run")
    other.claim |= {"host": host, "pid": pid}
    other.write()
    return other


def test_a_run_that_another_trains_is_refused(machine):
    other = claim(machine("b"))
    with pytest.raises(ConfigError, match=r"'run' is under way on elsewhere \(process 7\)"):
        taking, mine = time.monotonic(), Lease(machine("a"), "run")
        with pytest.MonkeyPatch.context() as patch:
            beat = time.sleep
            patch.setattr(lease.time, "sleep", lambda s: (other.write(), beat(s)))
            mine.take()
    assert time.monotonic() - taking < lease.WATCH_SECONDS
    with held(machine("a"), "another"):
        pass


def test_a_run_whose_owner_is_gone_is_taken_and_given_back(machine):
    claim(machine("b"))
    began, mirror = time.monotonic(), machine("a")
    with held(mirror, "run"):
        assert time.monotonic() - began >= lease.WATCH_SECONDS
        assert mirror.names(mirror.root) == [".lease-run.json"]
    assert mirror.names(mirror.root) == []
    with held(mirror, "run"):  # at once
        assert time.monotonic() - began < 3 * lease.WATCH_SECONDS


def test_a_dead_process_of_this_machine_is_not_watched(machine, monkeypatch):
    monkeypatch.setattr(lease, "WATCH_SECONDS", 60.0)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    claim(machine("b"), host=lease.platform.node(), pid=child)
    began = time.monotonic()
    with held(machine("a"), "run"):
        assert time.monotonic() - began < 10


def test_who_was_taken_over_ends_with_a_line(machine):
    """And leaves the new owner's claim where it is."""
    before, mirror = signal.getsignal(signal.SIGINT), machine("a")
    with pytest.raises(ConfigError, match="'run' is under way on elsewhere"), held(mirror, "run"):
        other = claim(machine("b"))
        for _ in range(30):
            time.sleep(0.3)
            other.write()
    assert mirror.names(mirror.root) == [".lease-run.json"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_bucket_that_refuses_the_claim_is_one_line(machine, monkeypatch):
    def refuse(self, path):
        raise OSError("When uploading: access denied")

    monkeypatch.setattr(Mirror, "push", refuse)
    told = pytest.raises(ResourceError, match=r"run\.storage: file:.*access denied")
    with told, held(machine("a"), "run"):
        pass


def test_an_interrupt_is_an_interrupt(machine):
    mirror = machine("a")
    with pytest.raises(KeyboardInterrupt), held(mirror, "run"):
        raise KeyboardInterrupt
    assert mirror.names(mirror.root) == []


def test_of_two_at_the_same_moment_one_begins(machine, monkeypatch):
    first, second = Lease(machine("a"), "run"), Lease(machine("b"), "run")
    second.claim |= {"host": "elsewhere"}
    monkeypatch.setattr(lease.time, "sleep", lambda seconds: second.write())
    with pytest.raises(ConfigError, match="elsewhere"):
        first.take()
    monkeypatch.setattr(lease.time, "sleep", lambda seconds: None)
    second.take()


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"owner": 1, "pid": "x"})])
def test_a_damaged_claim_stops_nobody(machine, text):
    mirror = machine("a")
    path = mirror.root / ".lease-run.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    mirror.push(path)
    with held(mirror, "run"):
        pass
