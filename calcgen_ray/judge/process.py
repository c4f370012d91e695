"""The client's handle on one fork server: asks it, and turns its answers into outcomes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from calcgen_ray.judge.program import Program
from calcgen_ray.judge.request import Request
from calcgen_ray.problem import Outcome, Status

MODULE = "calcgen_ray.judge.server"
GRACE_SECONDS = 30.0
"""Beyond a job's own limit: for starting, ending and cleaning up on a busy machine."""


class ServerLostError(Exception):
    """The server died, or did not answer, or could not run the job. The job may be tried again."""


class ServerProcess(Program):
    """A fork server. Not thread-safe: one question at a time."""

    def __init__(self) -> None:
        super().__init__(MODULE)

    def ask(self, job: Request) -> list[Outcome]:
        """One outcome a segment.

        Raises:
            ServerLostError: no answer; this server is of no more use.
        """
        try:
            answer = self.exchange(asdict(job), job.limits.job_seconds + GRACE_SECONDS)
        except (OSError, EOFError, ValueError) as error:
            raise ServerLostError(f"{type(error).__name__}: {error}") from error
        if "fault" in answer:
            raise ServerLostError(answer["fault"])
        return [_outcome(fields) for fields in answer["outcomes"]]


def _outcome(fields: dict[str, Any]) -> Outcome:
    return Outcome(**{**fields, "status": Status(fields["status"])})
