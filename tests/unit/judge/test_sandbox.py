"""The client: order, servers lost and replaced, what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calcgen_ray.errors import SandboxError
from calcgen_ray.judge import Sandbox
from calcgen_ray.judge.isolation.confinement import OPTIONAL
from calcgen_ray.problem import Outcome, Status


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(servers=2, seconds=20.0) as sandbox:
        yield sandbox


def kill_soon(pid: int, signal_number: int = signal.SIGKILL) -> None:
    """After half a second, in a thread."""
    threading.Timer(0.5, os.kill, (pid, signal_number)).start()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waiting_child_has_an_empty_folder(server: int) -> bool:
    """Whether all that is left is the child that waits for the next job."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    try:
        return len(children) == 1 and os.listdir(f"/proc/{children[0]}/cwd") == []
    except OSError:  # ended just now
        return False


def test_jobs_keep_their_order(sandbox: Sandbox) -> None:
    jobs = [[f"import time\ntime.sleep({0.2 * (n % 3 == 0)})\nprint({n})"] for n in range(12)]
    assert [o.stdout for [o] in sandbox.run_many(jobs)] == [f"{n}\n" for n in range(12)]


def test_jobs_are_taken_as_needed(sandbox: Sandbox) -> None:
    taken = []

    def endless() -> Iterator[list[str]]:
        while True:
            taken.append(1)
            yield ["print(1)"]

    outcomes = sandbox.run_many(endless())
    assert next(outcomes)[0].stdout == "1\n"
    outcomes.close()  # type: ignore[attr-defined]
    assert len(taken) < 20


def test_outcomes_do_not_depend_on_the_number_of_servers(sandbox: Sandbox) -> None:
    jobs = [["import random\nprint(random.random(), hash('a'))", f"1 / {n}"] for n in range(6)]

    def timeless(outcomes: list[Outcome]) -> list[tuple[str, str, int]]:
        return [(o.stdout, o.error, o.line) for o in outcomes]

    with Sandbox(servers=1) as one:
        alone = [timeless(outcomes) for outcomes in one.run_many(jobs)]
    assert [timeless(outcomes) for outcomes in sandbox.run_many(jobs)] == alone


def test_job_of_a_killed_server_is_run_again() -> None:
    with Sandbox(servers=1, seconds=20.0) as sandbox:
        [before] = sandbox.pids
        kill_soon(before)
        assert sandbox.run(["import time\ntime.sleep(1)\nprint(6 * 7)"])[0].stdout == "42\n"
        assert sandbox.pids != [before]


def test_code_that_takes_its_server_along_is_the_sandboxs_fault() -> None:
    with Sandbox(servers=1, seconds=20.0, without=OPTIONAL) as sandbox:
        code = "import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(5)"
        outcomes = sandbox.run([code, "print(1)"])
        assert [o.status for o in outcomes] == [Status.SANDBOX, Status.SANDBOX]
        assert outcomes[0].error.startswith("SandboxError: EOFError")
        assert sandbox.run(["print(1)"])[0].stdout == "1\n"


def test_server_that_stops_answering_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calcgen_ray.judge.process.GRACE_SECONDS", 0.5)
    monkeypatch.setattr("calcgen_ray.judge.program.CLOSE_SECONDS", 0.5)
    with Sandbox(servers=1, seconds=1.0, job_seconds=2.0) as sandbox:
        os.kill(sandbox.pids[0], signal.SIGSTOP)
        assert sandbox.run(["print(1)"])[0].stdout == "1\n"


def test_job_limit_ends_a_job_of_short_segments() -> None:
    with Sandbox(servers=1, seconds=5.0, job_seconds=1.0) as sandbox:
        outcomes = sandbox.run(["import time\ntime.sleep(0.6)"] * 4)
    assert [o.status for o in outcomes] == [
        Status.RAN,
        Status.TIMEOUT,
        Status.SKIPPED,
        Status.SKIPPED,
    ]
    assert outcomes[1].error == "TimeoutError: the job took over 1 s"


def test_nothing_is_left_after_300_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # that of no other process
    descriptors = len(os.listdir("/proc/self/fd"))
    with Sandbox(servers=2, seconds=20.0) as sandbox:
        pids = sandbox.pids
        before = {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in pids}
        assert sum(o.ran for [o] in sandbox.run_many([["open('f', 'w').write('x')"]] * 300)) == 300
        for pid in pids:
            wait_until(lambda pid=pid: waiting_child_has_an_empty_folder(pid))
            assert len(os.listdir(f"/proc/{pid}/fd")) == before[pid]
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not list(tmp_path.iterdir())
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_folders_too_deep_to_remove_are_gone_for_the_next_job() -> None:
    deep = "import os\nfor _ in range(2000):\n    os.mkdir('d')\n    os.chdir('d')"
    with Sandbox(servers=1) as sandbox:
        for _ in range(3):
            [left] = sandbox.run([deep])
            [found] = sandbox.run(["import os\nopen('f', 'w').close()\nprint(os.listdir('.'))"])
            assert left.ran and found.stdout == "['f']\n", (left, found)


def test_server_ends_with_its_client() -> None:
    program = (
        "from calcgen_ray.judge import Sandbox\nimport os\n"
        "sandbox = Sandbox(servers=1).__enter__()\n"
        "print(sandbox.pids[0], sandbox._pool._all[0].folder, flush=True)\n"
        "sandbox.run(['while True: pass'])"
    )
    package = str(Path(sys.modules["calcgen_ray.judge"].__file__ or "").parents[2])
    client = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": package},
    )
    assert client.stdout is not None
    pid, folder = client.stdout.readline().split()
    time.sleep(0.3)
    client.kill()
    client.wait()
    client.stdout.close()
    deadline = time.monotonic() + 20
    while (Path(f"/proc/{pid}").exists() or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder).exists()
    assert not Path(f"/proc/{pid}").exists()


def test_closed_sandbox_refuses() -> None:
    with pytest.raises(SandboxError, match="with statement"):
        Sandbox(servers=1).run(["1"])
    with pytest.raises(SandboxError, match="above zero"):
        Sandbox(servers=0)


def test_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SandboxError, match="did not start"), Sandbox(servers=1):
        pass


def test_importing_the_client_loads_no_sympy() -> None:
    code = (
        "import sys, calcgen_ray.judge\n"
        "print({'sympy', 'numpy', 'matplotlib', 'torch', 'ray'} & set(sys.modules))"
    )
    package = str(Path(sys.modules["calcgen_ray.judge"].__file__ or "").parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": package},
    )
    assert done.stdout == "set()\n"


def test_the_result_comes_out_as_a_tree() -> None:
    with Sandbox(servers=1) as sandbox:
        [_, last] = sandbox.run(["a = 1", "result = [a, 0.5]"], result="result")
        assert last.result == {"list": [{"int": "1"}, {"float": "0.5"}]}
        [missing] = sandbox.run(["a = 1"], result="result")
        [failed] = sandbox.run(["result = 1\n1 / 0"], result="result")
        assert missing.ran and missing.result is None and failed.result is None
        [large] = sandbox.run(["result = [10**900 + i for i in range(500)]"], result="result")
        assert large.ran and large.result == {"other": "too large"}
