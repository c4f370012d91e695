"""The client's handle on one fork server: asks it, and turns its answers into outcomes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from calcgen_ray.judge.extras import attach
from calcgen_ray.judge.program import Program
from calcgen_ray.judge.request import Request
from calcgen_ray.problem import Outcome, Status

MODULE = "calcgen_ray.judge.server"
GRACE_SECONDS = 30.0
"""Beyond a job's own limit: for starting, ending and cleaning up on a busy machine."""


class ServerLostError(Exception):
    """The server died, or did not answer, or could not run the job. The job may be tried again."""


class ServerProcess(Program):
    """A fork server, without some layers if asked. Not thread-safe: one question at a time."""

    def __init__(self, without: Iterable[str] = ()) -> None:
        super().__init__(MODULE, without)

    @property
    def off(self) -> dict[str, str]:
        """The layers that it runs without, each with the reason."""
        return dict(self.ready["off"])

    def ask(self, job: Request) -> list[Outcome]:
        """One outcome a segment.

        Raises:
            ServerLostError: no answer; this server is of no more use.
        """
        limits = job.limits
        try:
            seconds = limits.job_seconds + limits.seconds + GRACE_SECONDS
            answer = self.exchange(job.to_json(), seconds)
        except (OSError, EOFError, ValueError) as error:
            raise ServerLostError(f"{type(error).__name__}: {error}") from error
        if "fault" in answer:
            raise ServerLostError(answer["fault"])
        return attach([_outcome(fields) for fields in answer["outcomes"]], answer["extras"])


def _outcome(fields: dict[str, Any]) -> Outcome:
    return Outcome(**{**fields, "status": Status(fields["status"])})
