"""Who trains a bucket's run: one process at a time, by a file beside the runs that it writes anew.

A bucket knows no lock. Who finds another's file watches it: where it is written anew, its owner is
at work; where it is not, its owner is gone, and the file is taken over. Whoever trains and finds
another's name in its file ends: it was silent for so long that it was taken for gone. The
weights of both are the same, since they depend on the run's configuration and corpus alone.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from calcgen_ray.errors import ConfigError, ResourceError
from calcgen_ray.storage import Mirror

BEAT_SECONDS = 5.0
WATCH_SECONDS = 20.0
"""How long a file may stay as it is before its owner is taken for gone."""


@contextmanager
def held(mirror: Mirror, name: str) -> Iterator[None]:
    """Holds a run of a bucket while the block runs.

    Raises:
        ConfigError: another process trains it, or took it over while this one was silent.
        ResourceError: the bucket does not answer when the run is taken.
    """
    lease = Lease(mirror, name)
    try:
        lease.take()
    except OSError as error:
        raise ResourceError(f"run.storage: {mirror.uri}: {str(error).splitlines()[0]}") from None
    done = threading.Event()
    thread = threading.Thread(target=lease.keep, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    except KeyboardInterrupt:
        if lease.lost is None:
            raise
        raise ConfigError(_refusal(name, lease.lost)) from None
    finally:
        done.set()
        thread.join()
        if lease.lost is None:
            with suppress(OSError):
                mirror.sweep(lease.path.name)


class Lease:
    """One process's claim on a run. `lost`: the claim of whoever took it over."""

    def __init__(self, mirror: Mirror, name: str) -> None:
        self.mirror, self.name = mirror, name
        self.path = mirror.root / f".lease-{name}.json"
        self.claim = {"owner": uuid.uuid4().hex, "host": platform.node(), "pid": os.getpid()}
        self.beat = 0
        self.lost: dict[str, Any] | None = None

    def take(self) -> None:
        """Claims the run.

        Raises:
            ConfigError: another process trains it.
        """
        other = self.other()
        deadline = time.monotonic() + WATCH_SECONDS
        while other is not None and not _is_dead(other) and time.monotonic() < deadline:
            time.sleep(BEAT_SECONDS / 5)
            seen = self.other()
            if seen is not None and seen != other:
                raise ConfigError(_refusal(self.name, seen))
            other = seen
        self.write()
        time.sleep(BEAT_SECONDS / 5)
        if winner := self.other():  # who came at the same moment
            raise ConfigError(_refusal(self.name, winner))

    def keep(self, done: threading.Event) -> None:
        """Writes the claim anew until `done`; interrupts the process where it is another's."""
        while not done.wait(BEAT_SECONDS):
            with suppress(OSError):
                self.lost = self.other()
                if self.lost is not None:
                    os.kill(os.getpid(), signal.SIGINT)
                    return
                self.write()

    def other(self) -> dict[str, Any] | None:
        """Another process's claim as the bucket has it now."""
        self.path.unlink(missing_ok=True)
        if not self.mirror.pull(self.path):
            return None
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except ValueError:
            return None
        mine = not isinstance(found, dict) or found.get("owner") == self.claim["owner"]
        return None if mine else found

    def write(self) -> None:
        self.beat += 1
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({**self.claim, "beat": self.beat}), "utf-8")
        self.mirror.push(self.path)


def _is_dead(claim: Mapping[str, Any]) -> bool:
    """Whether a claim is of a process of this machine that has ended."""
    pid = claim.get("pid")
    if claim.get("host") != platform.node() or not isinstance(pid, int) or pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return pid == os.getpid()  # an earlier one of the same number


def _refusal(name: str, claim: Mapping[str, Any]) -> str:
    return (
        f"run {name!r} is under way on {claim.get('host')} (process {claim.get('pid')}); wait for "
        "its end, or choose another run.name"
    )
