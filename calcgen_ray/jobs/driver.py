"""The shell around Ray's JobSubmissionClient: submit, list, follow, stop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcgen_ray.cluster import TRAIN_DEFAULTS
from calcgen_ray.errors import InputError, JobError, ResourceError
from calcgen_ray.jobs import head
from calcgen_ray.jobs.identity import ENDED
from calcgen_ray.jobs.token import Token

SILENT_SECONDS = 120.0
"""A connection on which nothing came for so long is made anew."""
LOST_SECONDS = 60.0
"""How long a head may not answer before its job is given up."""
GRACE_SECONDS = 90
"""What a job that is stopped has to save a checkpoint; by itself Ray waits for 3 s."""
ADDRESSES = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
VARIABLES = {
    **TRAIN_DEFAULTS, "COLUMNS": "120", "RAY_JOB_STOP_WAIT_TIME_S": str(GRACE_SECONDS)
}  # fmt: skip
"""Of a job's processes; its tables are drawn for nobody's terminal."""


@dataclass(frozen=True, slots=True)
class Known:
    """A job that the cluster has. Times are in seconds since 1970, None where it has none yet."""

    ident: str
    status: str
    entrypoint: str
    started: float | None
    ended: float | None
    message: str
    metadata: Mapping[str, str]

    @property
    def over(self) -> bool:
        return self.status in ENDED

    @property
    def seconds(self) -> float | None:
        """How long it has run."""
        return None if self.started is None else (self.ended or time.time()) - self.started


class Jobs:
    """The jobs of one cluster.

    Raises in all its methods:
        JobError: the head does not do what it is asked.
    """

    def __init__(self, address: str, token: Token | None) -> None:
        from ray.job_submission import JobSubmissionClient

        self.address, self._token = address, token
        for name in ("dashboard_sdk", "job.sdk"):
            logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.ERROR)
        with _without(ADDRESSES), self._asked("connect"):  # Ray lets them go before what is named
            self._client = JobSubmissionClient(address, headers=token.headers if token else {})

    def submit(
        self, ident: str, entrypoint: str, package: Path, metadata: Mapping[str, str]
    ) -> bool:
        """Uploads the package if need be and starts the job; False where the id is taken."""
        runtime_env = {"working_dir": str(package), "env_vars": VARIABLES}
        with self._asked(ident):
            try:
                self._client.submit_job(
                    entrypoint=entrypoint, submission_id=ident, runtime_env=runtime_env,
                    metadata=dict(metadata),
                )  # fmt: skip
            except RuntimeError as error:
                if "already exists" in str(error):
                    return False
                raise
        return True

    def all(self) -> list[Known]:
        """Those that were submitted, the newest first."""
        with self._asked("jobs"):
            found = [_known(job) for job in self._client.list_jobs() if job.submission_id]
        return sorted(found, key=lambda job: job.started or time.time(), reverse=True)

    def get(self, ident: str) -> Known:
        """One job.

        Raises:
            InputError: there is none of that id.
        """
        with self._asked(ident):
            try:
                return _known(self._client.get_job_info(ident))
            except RuntimeError as error:
                if "status code 404" not in str(error):
                    raise
        raise InputError(f"no job {ident!r} at {self.address}; `calcgen jobs` lists those it has")

    def log(self, ident: str) -> str:
        """All that a job has printed."""
        with self._asked(ident):
            return str(self._client.get_job_logs(ident))

    def follow(self, ident: str) -> Iterator[str]:
        """What a job prints, from its beginning, as it comes, until it is over."""
        seen = 0
        while True:
            place = 0
            for piece in self._tail(ident):
                fresh = piece[max(0, seen - place) :]
                place += len(piece)
                seen = max(seen, place)
                if fresh:
                    yield fresh
            if self._over(ident):
                if rest := self.log(ident)[seen:]:  # the connection may have ended before the job
                    yield rest
                return
            time.sleep(1.0)

    def stop(self, ident: str) -> Known:
        """Asks a job to end and waits for it, if it is running."""
        if not self.get(ident).over:
            with self._asked(ident):
                self._client.stop_job(ident)
        deadline = time.monotonic() + GRACE_SECONDS + 10
        while not (found := self.get(ident)).over and time.monotonic() < deadline:
            time.sleep(0.3)
        return found

    def _over(self, ident: str) -> bool:
        """Whether a job is over; a head that does not answer is asked again.

        The head itself is asked first, which has a time limit; Ray's client has none.
        """
        deadline = time.monotonic() + LOST_SECONDS
        while True:
            try:
                head.ask(self.address, self._token)
                return self.get(ident).over
            except (ResourceError, JobError) as error:
                if time.monotonic() > deadline:
                    raise JobError(f"{ident}: lost sight of it: {error}") from None
            time.sleep(1.0)

    def _tail(self, ident: str) -> Iterator[str]:
        """Pieces of the log until the connection ends, for whatever reason."""

        async def step(stream: AsyncIterator[str]) -> str | None:
            try:
                return await asyncio.wait_for(anext(stream, None), SILENT_SECONDS)
            except Exception:  # whatever ended it: the head is asked whether the job is over
                return None

        with asyncio.Runner() as runner:  # it cancels what waits when Ctrl-C is pressed
            stream = self._client.tail_job_logs(ident)
            while (piece := runner.run(step(stream))) is not None:
                yield piece

    @contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        """Turns what Ray's client raises into one line."""
        from ray.exceptions import AuthenticationError

        try:
            yield
        except (OSError, RuntimeError, ValueError, AuthenticationError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = lines[-1] if "Traceback" in str(error) else (lines or [repr(error)])[0]
            raise JobError(f"{self.address}: {what}: {reason[:300]}") from None


def _known(job: Any) -> Known:
    return Known(
        ident=str(job.submission_id),
        status=str(getattr(job.status, "value", job.status)),
        entrypoint=str(job.entrypoint),
        started=job.start_time / 1000 if job.start_time else None,
        ended=job.end_time / 1000 if job.end_time else None,
        message=str(job.message or ""),
        metadata=dict(job.metadata or {}),
    )


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    saved = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(saved)
