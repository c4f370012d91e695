"""Which layers of the sandbox hold on this machine: each is tried by what it must deny.

    python -m calcgen_ray.judge.isolation.layers      # prints what it found as JSON

The attempts run in processes forked from this program, never from the caller, which may have
threads.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from calcgen_ray.judge.isolation import attempts
from calcgen_ray.judge.isolation.confinement import LAYERS

SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer, whether it holds, and why not where it does not."""

    name: str
    on: bool
    reason: str = ""


@lru_cache(maxsize=1)
def probe() -> tuple[Layer, ...]:
    """Every layer, tried once a process; takes about half a second."""
    package = str(Path(__file__).resolve().parents[3])
    with tempfile.TemporaryDirectory(prefix="calcgen-judge-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "calcgen_ray.judge.isolation.layers"],
                capture_output=True,
                cwd=folder,
                env={"PYTHONPATH": package, "LANG": "C.UTF-8"},
                timeout=len(LAYERS) * SECONDS,
                check=True,
            )
            return tuple(Layer(**fields) for fields in json.loads(done.stdout))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            reason = f"the probe failed: {type(error).__name__}"
            return tuple(Layer(name, False, reason) for name in LAYERS)


def try_all() -> list[Layer]:
    """Every layer, tried in forks of this process, which must have a single thread."""
    found = []
    for name in LAYERS:
        reason = _in_a_fork(attempts.ATTEMPTS[name])
        found.append(Layer(name, not reason, reason))
    return found


def _in_a_fork(attempt: Callable[[str], None]) -> str:
    """Why the attempt was not denied, nothing if it was."""
    folder = tempfile.mkdtemp(dir=os.getcwd())
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.write(writing, _reason(attempt, folder).encode())
        os._exit(0)
    os.close(writing)
    ready = select.select([reading], [], [], SECONDS)[0]
    told = os.read(reading, 4096).decode() if ready else ""
    os.close(reading)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return told.removeprefix(DENIED) if told else "the attempt did not end"


DENIED = "denied"


def _reason(attempt: Callable[[str], None], folder: str) -> str:
    try:
        attempt(folder)
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return DENIED


if __name__ == "__main__":
    print(json.dumps([asdict(layer) for layer in try_all()]))
