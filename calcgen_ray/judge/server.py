"""The fork server: a program of its own that has imported everything and forks once a job.

    python -m calcgen_ray.judge.server [LAYER ...]

It starts in an empty folder, which it removes when it ends. Arguments are layers to leave off.

Single-threaded, without Ray and torch, so that forking is safe. Reads jobs from its standard
input and writes answers to what was its standard output, both as frames; it ends when its
standard input does. The client gives it its environment (see process.py).
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import socket
import sys
import time
from dataclasses import replace
from typing import Any

from calcgen_ray.judge import child, notebook, pages, warming
from calcgen_ray.judge.frames import receive, send
from calcgen_ray.judge.isolation import syscalls
from calcgen_ray.judge.isolation.confinement import Confinement
from calcgen_ray.judge.isolation.rlimits import limit_files
from calcgen_ray.judge.request import Request
from calcgen_ray.judge.watch import ChildFaultError, ClientGoneError, Watch
from calcgen_ray.problem import Outcome, Status

GC_THRESHOLD = (200_000, 10, 10)
"""A job is short: fewer looks for cycles than Python's own (700, 10, 10)."""


def main() -> None:
    """Answers jobs until there are no more."""
    os.environ["SYMPY_CACHE_SIZE"] = "None"  # a job is short, and bounded caches write at each hit
    home = os.getcwd()
    outside = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    answers = _hide_stdout()
    try:
        server = Server(Confinement(home, filter(None, sys.argv[1:])))
        send(answers, {"ready": True, "off": server.walls.off})
        while True:
            send(answers, server.answer(receive(0)))
            server.renew()
    except (EOFError, BrokenPipeError, ClientGoneError):
        pass
    finally:
        # By its descriptor: under the server's new root the path is gone.
        shutil.rmtree(os.path.basename(home), ignore_errors=True, dir_fd=outside)
    os._exit(0)  # taking down an interpreter with SymPy in it costs a quarter of a second


class Server:
    """Everything imported, and one child that has locked itself in and waits for the next job."""

    def __init__(self, walls: Confinement) -> None:
        self.walls = walls
        limit_files()
        walls.prepare()
        for name in ("HOME", "TMPDIR", "MPLCONFIGDIR"):
            os.environ[name] = walls.folder
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        warming.import_all()
        notebook.install()
        # A frozen heap is not walked by the collector, so its pages stay shared with the children.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLD)
        walls.clean()
        self.pages: pages.Runs = ()
        with contextlib.suppress(OSError):
            self.pages = pages.likely(warming.run, warming.COMMONEST, walls.proc)
            pages.make_huge(walls.proc)
        self.watch: Watch | None = self._fork()
        self.watch.start()

    def answer(self, message: Any) -> dict[str, Any]:
        """The outcomes of a job, or the sandbox's own fault. `renew` must be called before the
        next job: the answer need not wait for the old child's end."""
        try:
            return self._run(Request.from_json(message))
        except (ChildFaultError, OSError) as error:
            return {"fault": f"{type(error).__name__}: {error}"}

    def renew(self) -> None:
        """Ends the child of the last job, with all that it left behind, and forks the next.

        The next comes first, so that it gets ready meanwhile; without PID namespaces all children
        are ended together, so that it cannot.
        """
        early = self._fork() if self.walls.own_pids else None
        self._end()
        if self.walls.clean() and early:  # it is locked into the folder that was
            early.end()
            early = None
        self.watch = early or self._fork()

    def _run(self, job: Request) -> dict[str, Any]:
        watch, limits = self.watch, job.limits
        assert watch is not None
        outcomes: list[Outcome] = []
        items: list[str] = []
        watch.start()
        watch.hand(job)
        deadline = time.monotonic() + limits.job_seconds
        for index in range(len(job.segments)):
            outcomes.append(watch.segment(index, limits, deadline))
            if outcomes[-1].status is Status.TIMEOUT or not watch.alive():
                break
        else:
            items = watch.extras(len(outcomes), limits) if job.wants_extras else []
        if outcomes and not outcomes[-1].memory_bytes:
            outcomes[-1] = replace(outcomes[-1], memory_bytes=self._end())
        outcomes += [Outcome(Status.SKIPPED)] * (len(job.segments) - len(outcomes))
        return {"outcomes": [_as_json(outcome) for outcome in outcomes], "extras": items}

    def _fork(self) -> Watch:
        control, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stdout, write_end = os.pipe()
        secret = os.urandom(16)
        pid = self.walls.fork()
        if pid == 0:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            child.run(far, write_end, secret, self.walls, self.pages)
        far.close()
        os.close(write_end)
        return Watch(pid, control, stdout, secret, self.walls)

    def _end(self) -> int:
        watch, self.watch = self.watch, None
        return watch.end() if watch else 0


def _hide_stdout() -> int:
    """Moves descriptor 1 out of the way of imports that print."""
    answers = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return answers


def _as_json(outcome: Outcome) -> dict[str, Any]:
    names = ("status", "stdout", "error", "line", "seconds", "memory_bytes")
    return {name: getattr(outcome, name) for name in names}


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    main()
