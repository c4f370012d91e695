"""Whole judgements: generated problems, programs that give nothing, results learnt by heart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from calcgen_ray.corpus.families import FAMILIES, make_problem
from calcgen_ray.judge import FakeRunner, Sandbox
from calcgen_ray.judge.judge import Judge
from calcgen_ray.judge.verifier import Verifier
from calcgen_ray.problem import (
    DIFFICULTIES,
    Expected,
    Kind,
    Outcome,
    Problem,
    Status,
    Verdict,
)

EACH = 5
"""Problems of each family and difficulty."""


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as verifier:
        yield verifier


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(servers=2) as sandbox:
        yield sandbox


def task(value: str, kind: Kind = Kind.EXPRESSION, code: str = "", **given: str) -> Problem:
    expected = Expected(kind, value, {"variable": "x", **given})
    return Problem("t-easy-0-0", "t", "easy", "t/0", "", code, expected, "")


def mutated(tree: Any) -> Any:
    """The tree with its first number changed, or None where there is none."""
    if isinstance(tree, list) and tree[:1] == ["Integer"]:
        return ["Integer", str(int(tree[1]) + 1)]
    if isinstance(tree, float):
        return tree * 1.1 + 0.3
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
    if not isinstance(tree, dict | list):
        return None
    for key, part in parts:
        if isinstance(part, list | dict | float) and (new := mutated(part)) is not None:
            copy = dict(tree) if isinstance(tree, dict) else list(tree)
            copy[key] = new
            return copy
    return None


@pytest.mark.parametrize("family", FAMILIES)
def test_reference_programs_are_right_and_their_mutants_wrong(
    family: str, sandbox: Sandbox, verifier: Verifier
) -> None:
    judge = Judge(sandbox, verifier)
    wrong = total = 0
    for difficulty in DIFFICULTIES:
        for index in range(EACH):
            problem = make_problem(family, difficulty, 5, index)
            judgement = judge.judge(problem, problem.code)
            assert judgement.correct, (problem, judgement)
            tree = judgement.outcome.result
            new = mutated(tree)
            if family in ("integrals", "odes") or new is None:
                continue  # the first number may be a constant's: see the labelled set
            total += 1
            wrong += verifier.decide(problem.expected, new).verdict is Verdict.DIFFERENT
    assert wrong >= total - 1


def test_programs_that_give_nothing(sandbox: Sandbox, verifier: Verifier) -> None:
    judge = Judge(sandbox, verifier)
    problem = task("x")
    for code, reason in (("print(1)", "no variable"), ("1 / 0", "ZeroDivisionError")):
        judgement = judge.judge(problem, code)
        assert judgement.ruling.verdict is Verdict.DIFFERENT and not judgement.correct
        assert reason in judgement.ruling.reason


def test_a_fault_of_the_sandbox_is_not_held_against_the_program(verifier: Verifier) -> None:
    lost = FakeRunner(lambda code: Outcome(Status.SANDBOX, error="SandboxError: lost"))
    judgement = Judge(lost, verifier).judge(task("x"), "")
    assert judgement.ruling.verdict is Verdict.UNKNOWN and not judgement.correct


def test_many_keep_their_order(sandbox: Sandbox, verifier: Verifier) -> None:
    pairs = [(task(str(n)), f"result = {n if n % 2 else n + 1}") for n in range(20)]
    judgements = list(Judge(sandbox, verifier).judge_many(pairs))
    assert [j.correct for j in judgements] == [bool(n % 2) for n in range(20)]


def test_it_opens_and_closes_what_it_is_given() -> None:
    with Judge(Sandbox(servers=1), Verifier()) as judge:
        assert judge.judge(task("4"), "result = 2 + 2").correct
        [pid] = judge.verifier.pids
    assert judge.verifier.pids == [] and pid > 0


HEAD = "from sympy import *\nx = symbols('x')\n"
SLOPE = task(
    "2*x + cos(x)", code=f"{HEAD}result = diff(x**2 + sin(x), x)", function="x**2 + sin(x)"
)
ROOTS = task("{0, 2}", Kind.SOLUTION_SET, f"{HEAD}result = solve(diff(x**3 - 3*x**2, x), x)",
             function="x**3 - 3*x**2")  # fmt: skip
UNREAD = task("gamma(x)*polygamma(0, x)", code=f"{HEAD}result = diff(gamma(x), x)",
              function="gamma(x)")  # fmt: skip
FACTORS = task("(x - 1)*(x + 1)", code=f"{HEAD}result = factor(x**2 - 1)", function="x**2 - 1",
               operation="factor")  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "code", "computed"),
    [
        (SLOPE, SLOPE.code, True),
        (SLOPE, "import sympy as sp\n"
         "x = sp.Symbol('x')\nf = sp.sin(x) + x*x\nresult = f.diff(x)", True),
        (SLOPE, f"{HEAD}a = x**2\nb = a + sin(x)\nresult = diff(b)", True),
        (SLOPE, f"{HEAD}result = 2*x + cos(x)", False),
        (SLOPE, f"{HEAD}f = x**2 + sin(x)\ndiff(f, x)\nresult = 2*x + cos(x)", False),
        (SLOPE, f"{HEAD}result = diff(x**2, x) + diff(sin(x), x)", None),
        (ROOTS, ROOTS.code, True),
        (ROOTS, f"{HEAD}f = x**2*(x - 3)\nresult = solveset(diff(f, x), x)", True),
        (ROOTS, "result = [0, 2]", False),
        (ROOTS, f"{HEAD}f = x**3 - 3*x**2\nsolve(f.diff(x))\nresult = [0, 2]", False),
        (UNREAD, UNREAD.code, None),
        (FACTORS, FACTORS.code, True),
        (FACTORS, f"{HEAD}result = (x - 1)*(x + 1)", False),
    ],
)  # fmt: skip
def test_results_learnt_by_heart(
    problem: Problem, code: str, computed: bool | None, sandbox: Sandbox, verifier: Verifier
) -> None:
    judgement = Judge(sandbox, verifier, recheck=True).judge(problem, code)
    assert judgement.ruling.verdict is Verdict.EQUAL
    assert judgement.computed is computed
    assert judgement.correct is (computed is not False)
