"""What judging costs: beside the code's own time, and beside a new interpreter a program.

The programs are calcbench's own solutions, which this process may run too.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from typing import Any

from calcgen_ray import runtime
from calcgen_ray.config import JudgeConfig
from calcgen_ray.corpus import calcbench
from calcgen_ray.judge import Judge, Sandbox, Verifier
from calcgen_ray.problem import Problem

PROBLEMS = 120
ROUNDS = 3


def bench_judge(config: JudgeConfig, problems: int = PROBLEMS) -> dict[str, Any]:
    """Measures on problems spread evenly over calcbench.

    Returns:
        overhead_ms: median over the problems of a whole judgement's wall time, less that of the
            same code executed in this process, which has everything imported; one at a time.
        times_python_c: verdicts a second over programs a second that `python -c` runs, each with
            as many processes as there are cores.
        verdicts_per_s, python_c_per_s, one_server_per_s, and `scaling`, the first over the last.
    """
    cores = runtime.cpu_count()
    chosen = sample(problems)
    with open_judge(config, cores) as judge, open_judge(config, 1) as one:
        extra = [overhead(judge, problem) for problem in chosen]
        rounds = [
            (rate(judge, chosen), rate(one, chosen), python_c_rate(chosen, cores))
            for _ in range(ROUNDS)
        ]
    many, single, fresh = (statistics.median(values) for values in zip(*rounds, strict=True))
    return {
        "overhead_ms": 1e3 * statistics.median(extra),
        "times_python_c": many / fresh,
        "verdicts_per_s": many,
        "python_c_per_s": fresh,
        "one_server_per_s": single,
        "scaling": many / single,
        "cores": cores,
        "problems": len(chosen),
        "isolation": config.isolation,
    }


def sample(count: int) -> list[Problem]:
    """Every n-th problem of calcbench, which lists them by family and difficulty."""
    every = calcbench.load()
    return list(every[:: max(1, len(every) // count)][:count])


def open_judge(config: JudgeConfig, processes: int) -> Judge:
    sandbox = Sandbox(processes, config.seconds, config.memory_mb << 20, isolation=config.isolation)
    return Judge(sandbox, Verifier(processes, config.verdict_seconds))


def overhead(judge: Judge, problem: Problem) -> float:
    """Seconds that a judgement takes beyond the code's own time; the two take turns."""
    found = []
    for _ in range(ROUNDS):
        own = own_seconds(problem.code)
        found.append(seconds(lambda: judge.judge(problem, problem.code)) - own)
    return statistics.median(found)


def own_seconds(code: str) -> float:
    """Wall time of the code here, once, with SymPy's cache empty as in a new process."""
    import matplotlib.pyplot as plt
    import sympy

    plt.switch_backend("Agg")
    plt.close("all")
    sympy.core.cache.clear_cache()
    with open(os.devnull, "w") as null, redirect_stdout(null):
        return seconds(lambda: exec(compile(code, "<calcbench>", "exec"), {}))


def rate(judge: Judge, problems: Sequence[Problem]) -> float:
    """Judgements a second."""
    pairs = [(problem, problem.code) for problem in problems]
    return len(pairs) / seconds(lambda: list(judge.judge_many(pairs)))


def python_c_rate(problems: Sequence[Problem], processes: int) -> float:
    """The same programs a second, each in a new interpreter."""
    environment = {**os.environ, "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1"}

    def run(problem: Problem) -> None:
        command = [sys.executable, "-c", problem.code]
        subprocess.run(command, env=environment, capture_output=True, check=True)

    with ThreadPoolExecutor(processes) as threads:
        return len(problems) / seconds(lambda: list(threads.map(run, problems)))


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
