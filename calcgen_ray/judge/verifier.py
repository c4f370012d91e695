"""Verdicts from processes that never ran candidate code.

    with Verifier(processes=2) as verifier:
        ruling = verifier.decide(problem.expected, tree)    # a tree of calcgen_ray.judge.walk

What comes out of a sandbox is a bounded tree; here it is handed to a program that rebuilds it from
a list of allowed classes and compares it (see verdict/). Each verdict has a deadline: a question
that is over it is UNKNOWN, and a process that does not answer is killed and replaced.
"""

from __future__ import annotations

import time
from functools import partial
from types import TracebackType
from typing import Any, Self

from calcgen_ray.errors import SandboxError
from calcgen_ray.judge.pool import Pool
from calcgen_ray.judge.program import Program
from calcgen_ray.judge.ruling import Ruling
from calcgen_ray.problem import Expected, Verdict

MODULE = "calcgen_ray.judge.verdict.server"
GRACE_SECONDS = 1.0
"""Beyond the deadline, for the timer inside to end the question softly."""


class Verifier:
    """Decides on `processes` answers at a time; threads may share it.

    Args:
        processes: programs that are kept; more than there are cores gains nothing.
        seconds: wall time for one verdict.

    Raises:
        SandboxError: on entering, where the programs cannot be started.
    """

    def __init__(self, processes: int = 1, seconds: float = 5.0) -> None:
        if processes < 1 or seconds <= 0:
            raise SandboxError(
                f"Verifier(processes={processes}, seconds={seconds}): each must be above zero"
            )
        self.processes = processes
        self.seconds = seconds
        self._pool = Pool(partial(Program, MODULE), processes)

    def __enter__(self) -> Self:
        self._pool.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the programs. May be called again."""
        self._pool.close()

    @property
    def pids(self) -> list[int]:
        """The programs' process ids."""
        return self._pool.pids

    def decide(self, expected: Expected, answer: object, *, reference: object = None) -> Ruling:
        """The verdict on an answer; waits for an idle program.

        Args:
            answer: the tree that `walk.encode` made of it.
            reference: the tree of a result that takes the place of `expected.value`.

        Raises:
            SandboxError: the verifier is not open, or a lost program cannot be replaced.
        """
        question = {
            "kind": expected.kind, "value": expected.value, "given": dict(expected.given),
            "answer": answer, "reference": reference, "seconds": self.seconds,
        }  # fmt: skip
        program = self._pool.take()
        try:
            start = time.monotonic()
            program = program or self._pool.replacement()
            try:
                found = program.exchange(question, self.seconds + GRACE_SECONDS)
            except TimeoutError:
                self._pool.discard(program, patience=0.0)
                program = None
                return self._unknown("deadline", f"over {self.seconds:g} s, and killed", start)
            except (OSError, EOFError, ValueError, RecursionError) as error:
                self._pool.discard(program, patience=0.0)
                program = None
                return self._unknown("lost", f"the program ended: {error}", start)
            return _ruling(found)
        finally:
            self._pool.give(program)

    def _unknown(self, method: str, reason: str, start: float) -> Ruling:
        return Ruling(Verdict.UNKNOWN, method, reason, time.monotonic() - start)


def _ruling(found: dict[str, Any]) -> Ruling:
    return Ruling(Verdict(found["verdict"]), found["method"], found["reason"], found["seconds"])
