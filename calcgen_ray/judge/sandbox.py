"""Runs code in processes that can be killed, and says what became of it.

    with Sandbox(servers=2, seconds=10.0) as sandbox:
        [outcome] = sandbox.run(["print(1 + 1)"])

A few fork servers with SymPy, NumPy and matplotlib imported each keep one forked child ready, which
takes one job and is killed: a few milliseconds instead of the second that importing them takes.

Covered, where every layer is on (`isolation="strict"` sees to it, `calcgen doctor` lists them):

- time, memory, files and threads: wall deadlines kept from outside, rlimits, at most 400 threads,
  128 MB and 10,000 files in a folder of its own that is emptied between jobs;
- other processes: none can be started, seen or signalled; whatever there is dies with the job;
- files: only the interpreter, its libraries and fonts can be read, only the job's folder written;
  no home, no /proc, no /tmp of others, nothing of this project but the package;
- the network and every other kind of socket, shared memory, keys, BPF, io_uring, new programs:
  a seccomp filter lets through what computing, drawing and saving need, and nothing else;
- the caller's environment and descriptors, which the job does not have;
- what one job changes, in modules or files, seen by the next; reports forged by writing to
  descriptors; output without end; crashes, early exits, the death of a server.

The same code gives the same outcome (but for `seconds` and `memory_bytes`) on any server: hashes
and the global random generators are seeded. A clock and `numpy.random.default_rng()` are not.

Not covered. A bug of the kernel in what the filter lets through; side channels of shared hardware;
the machine's memory when many servers each stay under their limits; reading the installed
libraries. Code shares its process with the reporter, so it can forge the report on itself (that
it ran, its result tree), never the verdict, which another process computes from the tree, nor
another job's report. With `basic`, each layer that the warning names is missing. Linux 5.12.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Literal, Self

from calcgen_ray.errors import SandboxError
from calcgen_ray.judge.ahead import in_order
from calcgen_ray.judge.isolation.confinement import OPTIONAL
from calcgen_ray.judge.isolation.layers import probe
from calcgen_ray.judge.pool import Pool
from calcgen_ray.judge.process import ServerLostError, ServerProcess
from calcgen_ray.judge.request import Limits, Request
from calcgen_ray.judge.runner import Job
from calcgen_ray.problem import Outcome, Status

ATTEMPTS = 2
Isolation = Literal["strict", "basic"]

_warned: set[str] = set()


class Sandbox:
    """Runs jobs on `servers` fork servers, which live as long as the `with` block.

    Args:
        servers: jobs run at the same time; more than there are cores gains nothing.
        seconds: wall time that each segment may take.
        memory_bytes: address space of each process of a job, 0.35 GB of imported modules included.
        job_seconds: wall time for all segments of a job; six times `seconds` if not given.
        isolation: `strict` refuses to start where one of the layers is missing; `basic` takes
            what there is and warns once.
        setting: the key of the configuration that `isolation` comes from, for what is told.
        without: layers to leave off, for tests and for machines where one misbehaves.

    Raises:
        SandboxError: on entering, where the servers cannot be started, or strict must refuse.
    """

    def __init__(
        self,
        servers: int = 2,
        seconds: float = 10.0,
        memory_bytes: int = 4 << 30,
        *,
        job_seconds: float | None = None,
        isolation: Isolation = "basic",
        setting: str = "judge.isolation",
        without: Collection[str] = (),
    ) -> None:
        if servers < 1 or seconds <= 0 or memory_bytes <= 0:
            raise SandboxError(
                f"Sandbox(servers={servers}, seconds={seconds}, memory_bytes={memory_bytes}): "
                "each must be above zero"
            )
        if unknown := sorted(set(without) - set(OPTIONAL)):
            raise SandboxError(f"without={unknown}: no such layer; there are {', '.join(OPTIONAL)}")
        self.servers, self.isolation, self.setting = servers, isolation, setting
        self.limits = Limits(seconds, job_seconds or 6 * seconds, memory_bytes)
        self._asked = bool(without)
        self._pool = Pool(partial(ServerProcess, tuple(without)), servers, self._check)

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
        """Ends the servers and removes their folders. May be called again."""
        self._pool.close()

    @property
    def pids(self) -> list[int]:
        """The servers' process ids."""
        return self._pool.pids

    def run(
        self,
        segments: Job,
        *,
        notebook: bool = False,
        result: str | None = None,
        forms: bool = False,
        figures: bool = False,
    ) -> list[Outcome]:
        """One outcome a segment; waits for an idle server, so threads may share a sandbox.

        A segment that fails does not stop the later ones; one that ends the process does, and
        they are SKIPPED. The keywords are those of `Runner.run`.

        Raises:
            SandboxError: the sandbox is not open, or a lost server cannot be replaced.
            TypeError: `segments` is a single string.
        """
        if isinstance(segments, str):
            raise TypeError("segments is one string; give a list of them: [code]")
        request = Request(tuple(segments), notebook, self.limits, result, forms, figures)
        server = self._pool.take()
        try:
            for _ in range(ATTEMPTS):
                server = server or self._pool.replacement()
                try:
                    return server.ask(request)
                except ServerLostError as error:
                    fault = Outcome(Status.SANDBOX, error=f"SandboxError: {error}")
                    self._pool.discard(server)
                    server = None
            return [fault] * len(request.segments)
        finally:
            self._pool.give(server)

    def run_many(self, jobs: Iterable[Job], *, notebook: bool = False) -> Iterator[list[Outcome]]:
        """Each job's outcomes, in the order of the jobs, which are taken as they are needed."""
        return in_order(partial(self.run, notebook=notebook), jobs, self.servers)

    def _check(self, server: ServerProcess) -> None:
        """Refuses or warns where layers are missing."""
        missing = server.off
        if self.isolation == "strict":
            missing |= {layer.name: layer.reason for layer in probe() if not layer.on}
        if not missing:
            return
        listed = ", ".join(f"{name} ({reason})" for name, reason in missing.items())
        if self.isolation == "strict":
            raise SandboxError(
                f"{self.setting} is strict and this machine lacks: {listed}; allow them "
                f"(`calcgen doctor` lists all), or set {self.setting}=basic for code you trust"
            )
        if not self._asked and listed not in _warned:
            _warned.add(listed)
            warnings.warn(f"the sandbox runs without: {listed}", RuntimeWarning, stacklevel=5)
