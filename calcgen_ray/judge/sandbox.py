"""Runs code in processes that can be killed, and says what became of it.

    with Sandbox(servers=2, seconds=10.0) as sandbox:
        [outcome] = sandbox.run(["print(1 + 1)"])

A few fork servers with SymPy, NumPy and matplotlib imported each fork one child a job: a few
milliseconds instead of the second that a new interpreter takes to import them.

Covered: endless loops in Python and in C, signals ignored, memory, output and file size, crashes
and early exits, processes left behind, threads that outlive their segment, what one job changes
in modules seen by the next, reports forged by writing to descriptors, the death of a server.
The same code gives the same outcome (but for `seconds`) on any server: hashes and the global
random generators are seeded. A clock, `numpy.random.default_rng()` and the like are not.

Not covered. This is NOT a security boundary: the network, every file that this user may read or
write, other processes of this user (the server among them), a fork bomb, the total size of the
temporary folder, the machine's memory when many processes each stay under the limit; and code
that inspects its own interpreter can find the secret that its reports carry. Linux 5.3 or later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Self

from calcgen_ray.errors import SandboxError
from calcgen_ray.judge.ahead import in_order
from calcgen_ray.judge.pool import Pool
from calcgen_ray.judge.process import ServerLostError, ServerProcess
from calcgen_ray.judge.request import Limits, Request
from calcgen_ray.judge.runner import Job
from calcgen_ray.problem import Outcome, Status

ATTEMPTS = 2


class Sandbox:
    """Runs jobs on `servers` fork servers, which live as long as the `with` block.

    Args:
        servers: jobs run at the same time; more than there are cores gains nothing.
        seconds: wall time that each segment may take.
        memory_bytes: address space of each process of a job, 0.35 GB of imported modules included.
        job_seconds: wall time for all segments of a job; six times `seconds` if not given.

    Raises:
        SandboxError: on entering, where the servers cannot be started.
    """

    def __init__(
        self,
        servers: int = 2,
        seconds: float = 10.0,
        memory_bytes: int = 4 << 30,
        *,
        job_seconds: float | None = None,
    ) -> None:
        if servers < 1 or seconds <= 0 or memory_bytes <= 0:
            raise SandboxError(
                f"Sandbox(servers={servers}, seconds={seconds}, memory_bytes={memory_bytes}): "
                "each must be above zero"
            )
        self.servers = servers
        self.limits = Limits(seconds, job_seconds or 6 * seconds, memory_bytes)
        self._pool = Pool(ServerProcess, servers)

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
        self, segments: Job, *, notebook: bool = False, result: str | None = None
    ) -> list[Outcome]:
        """One outcome a segment; waits for an idle server, so threads may share a sandbox.

        A segment that fails does not stop the later ones; one that ends the process does, and
        they are SKIPPED. `notebook` gives the job `display` and `get_ipython`. `result` names the
        variable whose tree (see walk.py) the last segment's outcome holds, if that ran.

        Raises:
            SandboxError: the sandbox is not open, or a lost server cannot be replaced.
            TypeError: `segments` is a single string.
        """
        if isinstance(segments, str):
            raise TypeError("segments is one string; give a list of them: [code]")
        request = Request(tuple(segments), notebook, self.limits, result)
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
