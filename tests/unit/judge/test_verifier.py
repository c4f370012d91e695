"""The verifier's processes: right answers from several threads, deadlines, death, closing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from calcgen_ray.errors import SandboxError
from calcgen_ray.judge import verifier as module
from calcgen_ray.judge.verifier import Verifier
from calcgen_ray.judge.walk import encode
from calcgen_ray.problem import Expected, Kind, Verdict

x = sp.Symbol("x")
X = ["Symbol", "x"]
SQUARE = Expected(Kind.EXPRESSION, "x**2 + x")
ODE = Expected(
    Kind.ODE,
    "Eq(f(x), C1*exp(x))",
    {"equation": "Eq(Derivative(f(x), x), f(x))", "function": "f", "variable": "x"},
)


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier(processes=2) as verifier:
        yield verifier


def test_threads_share_it(verifier: Verifier) -> None:
    answers = [x * (x + 1) if n % 3 else x**2 + n + 1 for n in range(60)]
    with ThreadPoolExecutor(4) as threads:
        rulings = list(threads.map(lambda a: verifier.decide(SQUARE, encode(a)), answers))
    want = [Verdict.EQUAL if n % 3 else Verdict.DIFFERENT for n in range(60)]
    assert [ruling.verdict for ruling in rulings] == want
    assert all(0 < ruling.seconds < 2 and ruling.method for ruling in rulings)


def test_it_says_why(verifier: Verifier) -> None:
    ruling = verifier.decide(SQUARE, encode(x**2))
    assert ruling.verdict is Verdict.DIFFERENT and "x = " in ruling.reason
    ruling = verifier.decide(SQUARE, encode(sp.Integral(x)))
    assert ruling.reason == "an unevaluated Integral is no answer"


def test_a_reference_result_takes_the_place_of_the_value(verifier: Verifier) -> None:
    tree = encode(x * (x + 1))
    wrong = Expected(Kind.EXPRESSION, "x**7")
    assert verifier.decide(wrong, tree, reference=encode(x**2 + x)).verdict is Verdict.EQUAL
    series = encode(sp.series(sp.sin(x), x, 0, 4))
    question = Expected(Kind.SERIES, "x + O(x**2)", {"variable": "x"})
    assert verifier.decide(question, series, reference=series).verdict is Verdict.EQUAL
    roots = Expected(Kind.SOLUTION_SET, "{5}", {"variable": "x"})
    assert verifier.decide(roots, encode([1, 2]), reference=encode({2, 1})).verdict is Verdict.EQUAL


def test_a_deadline_leaves_it_open_and_the_process_alive() -> None:
    with Verifier(seconds=0.003) as verifier:
        pids = verifier.pids
        ruling = verifier.decide(ODE, encode(sp.Eq(sp.Function("f")(x), 3 * x * sp.exp(x))))
        assert (ruling.verdict, ruling.method) == (Verdict.UNKNOWN, "deadline")
        assert verifier.pids == pids


def test_special_functions_do_not_outlast_the_deadline() -> None:
    terms = [["polylog", ["Add", X, ["Integer", str(k)]], ["Mul", X, X]] for k in range(60)]
    with Verifier(seconds=0.3) as verifier:
        start = time.monotonic()
        ruling = verifier.decide(SQUARE, ["Add", *terms])
        assert (ruling.verdict, ruling.method) == (Verdict.UNKNOWN, "deadline")
        nested: Any = X
        for _ in range(60):
            nested = ["exp", nested]
        assert verifier.decide(SQUARE, nested).verdict is not Verdict.EQUAL
        assert time.monotonic() - start < 2


def test_a_process_that_does_not_answer_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.3)
    with Verifier(seconds=0.5) as verifier:
        [before] = verifier.pids
        os.kill(before, signal.SIGSTOP)
        start = time.monotonic()
        ruling = verifier.decide(SQUARE, encode(x))
        assert (ruling.verdict, ruling.method) == (Verdict.UNKNOWN, "deadline")
        assert time.monotonic() - start < 3 and not Path(f"/proc/{before}").exists()
        assert verifier.decide(SQUARE, encode(x**2 + x)).verdict is Verdict.EQUAL


def test_a_process_that_dies_is_replaced() -> None:
    with Verifier() as verifier:
        os.kill(verifier.pids[0], signal.SIGKILL)
        assert verifier.decide(SQUARE, encode(x)).method == "lost"
        assert verifier.decide(SQUARE, encode(x)).verdict is Verdict.DIFFERENT


def test_it_leaves_no_process() -> None:
    with Verifier(processes=2) as verifier:
        pids = verifier.pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(SandboxError, match="not open"):
        verifier.decide(SQUARE, encode(x))


OPEN = "from calcgen_ray.judge import Verifier\nimport time\nwith Verifier() as v:\n    "
OPEN += "print(*v.pids, flush=True)\n    time.sleep(60)"


def test_it_leaves_no_folder_where_it_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", OPEN], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    folder = Path(f"/proc/{pid}/cwd").resolve()
    assert folder.name.startswith("calcgen-judge-")
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 10
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not folder.exists()


@pytest.mark.parametrize("arguments", [{"processes": 0}, {"seconds": 0.0}])
def test_bad_arguments(arguments: dict[str, float]) -> None:
    with pytest.raises(SandboxError, match="above zero"):
        Verifier(**arguments)  # type: ignore[arg-type]
