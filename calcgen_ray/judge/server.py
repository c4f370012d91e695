"""The fork server: a program of its own that has imported everything and forks once a job.

    python -m calcgen_ray.judge.server      # in an empty folder, which it removes when it ends

Single-threaded, without Ray and torch, so that forking is safe. Reads jobs from its standard
input and writes answers to what was its standard output, both as frames; it ends when its
standard input does. The client gives it its environment (see process.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import os
import resource
import shutil
import socket
import sys
import time
import warnings
from dataclasses import asdict
from typing import Any

from calcgen_ray.judge import child, notebook
from calcgen_ray.judge.frames import receive, send
from calcgen_ray.judge.request import Request
from calcgen_ray.judge.watch import ChildFaultError, ClientGoneError, Watch
from calcgen_ray.problem import Outcome, Status

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIGKILL = 9


def main() -> None:
    """Answers jobs until there are no more."""
    folder = os.getcwd()
    answers = _hide_stdout()
    try:
        _prepare()
        send(answers, {"ready": True})
        while True:
            send(answers, _answer(receive(0)))
    except (EOFError, BrokenPipeError, ClientGoneError):
        pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # taking down an interpreter with SymPy in it costs a quarter of a second


def _hide_stdout() -> int:
    """Moves descriptor 1 out of the way of imports that print."""
    answers = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return answers


def _prepare() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = child.OPEN_FILES if hard < 0 else min(child.OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    _warm()
    notebook.install()
    # A frozen heap is not walked by the collector, so its pages stay shared with the children.
    gc.collect()
    gc.freeze()


def _warm() -> None:
    """Imports what jobs import, and uses once what is lazy in it."""
    import matplotlib.pyplot as plt
    import numpy as np
    import sympy as sp

    x, f = sp.Symbol("x"), sp.Function("f")
    sp.latex(sp.integrate(sp.sin(x) * sp.exp(x), x))
    sp.limit(sp.sin(x) / x, x, 0)
    sp.series(sp.cos(x), x, 0, 4)
    sp.solve(x**2 - 2, x)
    sp.dsolve(f(x).diff(x) - f(x))
    sp.lambdify(x, sp.sin(x))(np.ones(2))
    warnings.filterwarnings("ignore", message=".*non-interactive.*")  # plt.show() under Agg
    plt.plot([0, 1])
    plt.axis("off")  # no text: fonts stay open and are read lazily, and children close them
    plt.savefig(io.BytesIO())
    plt.savefig(io.BytesIO(), format="svg")
    plt.close("all")


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _answer(message: Any) -> dict[str, Any]:
    job = Request.from_json(message)
    folder = os.path.abspath("job")
    os.mkdir(folder)
    try:
        return {"outcomes": [asdict(outcome) for outcome in _run(job, folder)]}
    except (ChildFaultError, OSError) as error:
        return {"fault": f"{type(error).__name__}: {error}"}
    finally:
        _remove(folder)


def _run(job: Request, folder: str) -> list[Outcome]:
    watch = _fork(job, folder)
    outcomes: list[Outcome] = []
    try:
        watch.start()
        deadline = time.monotonic() + job.limits.job_seconds
        for index in range(len(job.segments)):
            outcomes.append(watch.segment(index, job.limits, deadline))
            if outcomes[-1].status is Status.TIMEOUT or not watch.alive():
                break
    finally:
        watch.end()
    return outcomes + [Outcome(Status.SKIPPED)] * (len(job.segments) - len(outcomes))


def _fork(job: Request, folder: str) -> Watch:
    control, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stdout, write_end = os.pipe()
    secret = os.urandom(16)
    pid = os.fork()
    if pid == 0:
        _prctl(PR_SET_PDEATHSIG, SIGKILL)
        child.run(far, write_end, secret, job, folder)
    far.close()
    os.close(write_end)
    return Watch(pid, control, stdout, secret)


def _remove(folder: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(folder)
        return
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    main()
