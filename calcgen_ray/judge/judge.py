"""Runs a program and rules on its result: sandbox, then verifier, then, if asked, a second run.

    with Judge(Sandbox(servers=2), Verifier(processes=2)) as judge:
        judgement = judge.judge(problem, code)
        judgement.correct

Only the variable `problem.RESULT` counts: what was printed is no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from calcgen_ray.judge.ahead import in_order
from calcgen_ray.judge.replace import recheck
from calcgen_ray.judge.ruling import Ruling
from calcgen_ray.judge.sandbox import Sandbox
from calcgen_ray.judge.verifier import Verifier
from calcgen_ray.problem import RESULT, Outcome, Problem, Status, Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a program and how its result was ruled.

    `computed` is False for a result that is known to be written down and not computed, True where
    a second run with another expression was right too, None where that is not known.
    """

    outcome: Outcome
    ruling: Ruling
    computed: bool | None = None

    @property
    def correct(self) -> bool:
        """It ran, its result is equal, and is not known to be hard-coded."""
        equal = self.ruling.verdict is Verdict.EQUAL
        return self.outcome.ran and equal and self.computed is not False


class Judge:
    """Judges programs; a `with` block opens the sandbox and the verifier, and closes both.

    Without one, both must be open already.

    Args:
        recheck: run each equal program once more with another expression in place of the given
            one (see replace.py): about twice the cost.
    """

    def __init__(self, sandbox: Sandbox, verifier: Verifier, *, recheck: bool = False) -> None:
        self.sandbox, self.verifier, self.recheck = sandbox, verifier, recheck
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.sandbox)
            stack.enter_context(self.verifier)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def judge(self, problem: Problem, code: str) -> Judgement:
        """Runs a program and rules on its result; threads may share a judge."""
        outcome = self.run(code)
        ruling = no_result(outcome)
        if ruling is None:
            ruling = self.verifier.decide(problem.expected, outcome.result)
        computed = None
        if self.recheck and ruling.verdict is Verdict.EQUAL:
            computed = recheck(problem, code, self._result, self.verifier)
        return Judgement(outcome, ruling, computed)

    def judge_many(self, pairs: Iterable[tuple[Problem, str]]) -> Iterator[Judgement]:
        """The judgements in order; the pairs are taken as they are needed.

        A thread for each process, so that servers run programs while verifiers compare results.
        """
        threads = self.sandbox.servers + self.verifier.processes
        return in_order(lambda pair: self.judge(*pair), pairs, threads)

    def run(self, code: str) -> Outcome:
        """Runs a program without ruling on it."""
        [outcome] = self.sandbox.run([code], result=RESULT)
        return outcome

    def _result(self, code: str) -> Any:
        """The tree of a program's result, None where there is none."""
        outcome = self.run(code)
        return outcome.result if outcome.ran else None


def no_result(outcome: Outcome) -> Ruling | None:
    """The ruling on a program that gave nothing to compare; None for one that did."""
    if outcome.status in (Status.SANDBOX, Status.SKIPPED):
        return Ruling(Verdict.UNKNOWN, "sandbox", outcome.error)
    if not outcome.ran:
        return Ruling(Verdict.DIFFERENT, "run", outcome.error or str(outcome.status))
    if outcome.result is None:
        return Ruling(Verdict.DIFFERENT, "run", f"no variable named {RESULT}")
    return None
