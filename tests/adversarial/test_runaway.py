"""Code that will not end, takes too much, leaves early or forges its report.

Every layer that this machine has is on; after each the same server must go on (conftest.py).
"""

from __future__ import annotations

import os

import pytest

from calcgen_ray.judge import Sandbox
from calcgen_ray.problem import Outcome, Status

SHORT = 0.5
LONG = 30.0


def first(sandbox: Sandbox, code: str) -> Outcome:
    """The outcome of a job of one segment."""
    return sandbox.run([code])[0]


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "9**9**9",
        "import math\nmath.factorial(10**8)",
        "import sympy\nsympy.Integer(7) ** (10**9)",
        "import time\ntime.sleep(1000)",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import signal\nfor s in set(signal.Signals) - {9, 19}: signal.signal(s, signal.SIG_IGN)\n"
        "while True: pass",
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.Signals)\nwhile True: pass",
        "import threading\nthreading.Event().wait()",
        "import os\nos.closerange(0, 2000)\nwhile True: pass",
        "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
        "while True: print('x' * 1000)",
    ],
)
def test_endless_code_is_ended(impatient: Sandbox, code: str) -> None:
    outcomes = impatient.run([code, "print('never')"])
    assert [o.status for o in outcomes] == [Status.TIMEOUT, Status.SKIPPED]
    assert outcomes[0].error == "TimeoutError: the segment took over 0.5 s"
    assert SHORT <= outcomes[0].seconds < LONG


def test_output_before_the_timeout_is_kept(impatient: Sandbox) -> None:
    assert first(impatient, "print('so far')\nwhile True: pass").stdout == "so far\n"


@pytest.mark.parametrize(
    "code",
    [
        "x = [0] * (10 * 2**30 // 8)",
        "import numpy as np\nx = np.ones(10 * 2**30 // 8)",
        "x = 'x' * (10 * 2**30)",
        "x = b'x' * 2**20\nwhile True: x += x",
    ],
)
def test_too_much_memory(sandbox: Sandbox, code: str) -> None:
    outcomes = sandbox.run([code, "print('goes on')"])
    assert outcomes[0].status is Status.MEMORY
    assert "MemoryError" in outcomes[0].error
    assert outcomes[0].line == len(code.splitlines())
    assert outcomes[1].stdout == "goes on\n"


def test_memory_that_is_held_can_still_be_reported(sandbox: Sandbox) -> None:
    fill = "x = []\nwhile True: x.append(bytearray(1000))"
    outcomes = sandbox.run([fill, "y = bytearray(10**8)", "del x", "y = bytearray(10**8)"])
    assert [o.status for o in outcomes] == [Status.MEMORY, Status.MEMORY, Status.RAN, Status.RAN]


def test_100_megabytes_of_output_are_bounded(sandbox: Sandbox) -> None:
    outcomes = sandbox.run(
        ["import os\nfor _ in range(100): os.write(1, b'x' * 10**6)", "print('after')"]
    )
    assert outcomes[0].stdout == "x" * 65536
    assert outcomes[1].stdout == "after\n"


def test_output_is_cut_between_characters(sandbox: Sandbox) -> None:
    assert first(sandbox, "print('x' + 'é' * 40_000)").stdout == "x" + "é" * 32767


def test_large_file_is_refused(sandbox: Sandbox) -> None:
    outcome = first(sandbox, "open('f', 'wb').write(bytes(100 << 20))")
    assert outcome.error == "OSError: [Errno 27] File too large"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os\nprint('a')\nos._exit(0)", "ProcessExit: left by os._exit(0)"),
        ("import os\nprint('a')\nos._exit(3)", "ProcessExit: left by os._exit(3)"),
        ("print('a')\nimport ctypes\nctypes.string_at(0)", "ProcessExit: ended by SIGSEGV"),
    ],
)
def test_leaving_early_is_a_failure(sandbox: Sandbox, code: str, error: str) -> None:
    outcomes = sandbox.run([code, "print(1)"])
    assert outcomes[0].status is Status.FAILED
    assert outcomes[0].stdout == "a\n"
    assert outcomes[0].error == error
    assert outcomes[1].status is Status.SKIPPED


def test_deep_recursion(sandbox: Sandbox) -> None:
    outcomes = sandbox.run(["def f(): return f()\nf()", "print('goes on')"])
    assert outcomes[0].error == "RecursionError: maximum recursion depth exceeded"
    assert outcomes[0].status is Status.FAILED
    assert outcomes[1].stdout == "goes on\n"


def test_recursion_without_a_limit_ends_somehow(impatient: Sandbox) -> None:
    outcome = first(
        impatient,
        "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __repr__(self):\n"
        "        return repr(self)\nrepr(A())",
    )
    assert outcome.status in (Status.FAILED, Status.MEMORY, Status.TIMEOUT)


@pytest.mark.parametrize(
    "code",
    ["import sys\nsys.stdout.close()", "import os\nos.close(1)", "import sys\nsys.stdout = None"],
)
def test_closing_stdout(sandbox: Sandbox, code: str) -> None:
    outcomes = sandbox.run([code, "x = 1"])
    assert [o.status for o in outcomes] == [Status.RAN, Status.RAN]


def test_closing_every_descriptor(sandbox: Sandbox) -> None:
    outcomes = sandbox.run(["import os\nos.closerange(0, 2000)", "print(1)"])
    assert [o.status for o in outcomes] == [Status.FAILED, Status.SKIPPED]


def test_thread_that_outlives_the_job(sandbox: Sandbox) -> None:
    code = "import threading\ndef f():\n    while True: pass\nthreading.Thread(target=f).start()"
    assert first(sandbox, code).ran


def test_writing_to_other_descriptors_forges_nothing(sandbox: Sandbox) -> None:
    code = (
        "import os, json\n"
        "report = json.dumps({'index': 0, 'status': 'ran', 'ready': True}).encode()\n"
        "frame = len(report).to_bytes(4, 'big') + report\n"
        "for fd in [*range(3, 1100)]:\n"
        "    for data in (report, frame, bytes(16) + report, b'', b'x' * 70_000):\n"
        "        try: os.write(fd, data)\n"
        "        except OSError: pass\n"
        "1 / 0"
    )
    outcomes = sandbox.run([code, "print(1)"])
    assert outcomes[0].error == "ZeroDivisionError: division by zero"
    assert outcomes[1].stdout == "1\n"


def test_environment_is_not_the_callers(sandbox: Sandbox) -> None:
    outcome = first(sandbox, "import os\nprint('hush' in str(os.environ), os.getcwd())")
    assert outcome.stdout.startswith("False ")
    assert os.getcwd() not in outcome.stdout.split()
