"""The verifier's program: answers one question after another, under limits of its own.

    python -m calcgen_ray.judge.verdict.server      # in an empty folder

It never runs what a candidate wrote: it is given trees. Its processor time is limited for each
question, its memory for all; a timer inside it ends most long questions softly, and the client
kills it if it does not answer. It ends when its standard input does.
"""

from __future__ import annotations

import gc
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

from calcgen_ray.judge.frames import receive, send
from calcgen_ray.judge.verdict.deciding import decide
from calcgen_ray.judge.verdict.finding import Finding, unknown
from calcgen_ray.problem import Kind

MEMORY_BYTES = 2 << 30
RECURSION = 4000
SPARE_SECONDS = 5


class OverdueError(BaseException):  # SymPy catches Exception
    """Raised by the timer."""


def main() -> None:
    """Answers questions until there are no more, then removes the folder that it was started in."""
    answers, home = os.dup(1), os.getcwd()
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(RECURSION)
    signal.signal(signal.SIGALRM, overdue)
    decide(Kind.EXPRESSION, "sin(x)**2", {}, ["Symbol", "x"])
    gc.freeze()
    try:
        send(answers, {"ready": True})
        while True:
            send(answers, answer(receive(0)))
    except (EOFError, BrokenPipeError):
        shutil.rmtree(home, ignore_errors=True)
        os._exit(0)  # taking down an interpreter with SymPy in it costs a quarter of a second


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    start = time.perf_counter()
    limit_processor(question["seconds"])
    try:
        signal.setitimer(signal.ITIMER_REAL, question["seconds"])
        try:
            found = finding(question)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except OverdueError:
        found = unknown("deadline", f"over {question['seconds']:g} s")
    seconds = time.perf_counter() - start
    return {
        "verdict": found.verdict, "method": found.method, "reason": found.reason,
        "seconds": seconds,
    }  # fmt: skip


def finding(question: Mapping[str, Any]) -> Finding:
    return decide(
        Kind(question["kind"]),
        question["value"],
        question["given"],
        question["answer"],
        question["reference"],
    )


def limit_processor(seconds: float) -> None:
    """Processor time from now on, after which the kernel ends this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(usage.ru_utime + usage.ru_stime + seconds) + SPARE_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def overdue(signum: int, frame: FrameType | None) -> None:
    raise OverdueError


if __name__ == "__main__":
    main()
