"""Processes that code leaves behind, where nothing forbids it to start any."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from calcgen_ray.judge import Sandbox
from calcgen_ray.judge.isolation.confinement import OPTIONAL
from calcgen_ray.problem import Outcome, Status


def first(sandbox: Sandbox, code: str) -> Outcome:
    """The outcome of a job of one segment."""
    return sandbox.run([code])[0]


def gone(pid: int) -> bool:
    """Whether the process has ended, given a moment to do so."""
    deadline = time.monotonic() + 5.0
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("print('a')\nimport os\nos.abort()", "ProcessExit: ended by SIGABRT"),
        ("print('a')\nimport os\nos.kill(os.getpid(), 9)", "ProcessExit: ended by SIGKILL"),
        ("print('a')\nimport os\nos.killpg(0, 15)", "ProcessExit: ended by SIGTERM"),
    ],
)
def test_signals_to_itself(bare: Sandbox, code: str, error: str) -> None:
    outcomes = bare.run([code, "print(1)"])
    assert [o.status for o in outcomes] == [Status.FAILED, Status.SKIPPED]
    assert outcomes[0].error == error


def test_stopping_itself(bare: Sandbox) -> None:
    code = "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"
    with Sandbox(servers=1, seconds=0.5, without=OPTIONAL) as hasty:
        assert hasty.run([code])[0].status is Status.TIMEOUT


@pytest.mark.parametrize(
    "start",
    [
        "import subprocess\np = subprocess.Popen(['sleep', '1000']).pid",
        "import subprocess\np = subprocess.Popen(['sleep', '1000'], start_new_session=True).pid",
        "import os, time\np = os.fork()\nif p == 0:\n    os.setsid()\n    time.sleep(1000)",
    ],
)
def test_processes_left_behind_are_ended(bare: Sandbox, start: str) -> None:
    outcome = first(bare, start + "\nprint(p)")
    assert outcome.ran
    assert gone(int(outcome.stdout))


def test_double_fork_does_not_escape(bare: Sandbox) -> None:
    code = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n"
        "    if os.fork() == 0:\n        print(os.getpid(), flush=True)\n        time.sleep(1000)\n"
        "    os._exit(0)\ntime.sleep(0.3)"
    )
    outcome = first(bare, code)
    assert outcome.ran
    assert gone(int(outcome.stdout))


def test_copy_of_the_process_does_not_report(bare: Sandbox) -> None:
    outcomes = bare.run(["import os\nos.fork()", "print('once')", "print('twice')"])
    assert [o.stdout for o in outcomes] == ["", "once\n", "twice\n"]


def test_only_four_descriptors_are_open(bare: Sandbox) -> None:
    outcome = first(bare, "import os\nprint(len(os.listdir('/proc/self/fd')))")
    assert outcome.stdout == "5\n"  # and the listing's own
