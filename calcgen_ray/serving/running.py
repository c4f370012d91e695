"""`POST /v1/run`: one piece of code, run in the sandbox, and what came of it.

The sandbox is the endpoint's own and isolates strictly unless it is told otherwise: what a stranger
sends must not run where a layer is missing. Code runs one job at a time in each replica.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator

from calcgen_ray.errors import SandboxError
from calcgen_ray.judge.sandbox import Isolation, Sandbox
from calcgen_ray.problem import RESULT, Outcome, Status
from calcgen_ray.serving.errors import ApiError, without_paths

LOG = logging.getLogger("calcgen.serving")
MAX_CODE_CHARACTERS = 100_000
MAX_WAITING = 16
"""Jobs that wait for the sandbox in one replica; the next is answered with 429."""


class RunRequest(BaseModel):
    """The body of `POST /v1/run`; unknown fields are refused, since nothing else sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    code: Annotated[str, Strict(), Field(min_length=1, max_length=MAX_CODE_CHARACTERS)]
    """A piece of Python."""
    result: Annotated[str, Strict(), Field(max_length=100)] = RESULT
    """The variable whose value comes back."""

    @field_validator("result")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not name.isidentifier():
            raise ValueError("the name of a variable is needed")
        return name


class CodeRunner:
    """A sandbox that opens beside the caller, so that an endpoint need not wait for it.

    Args:
        seconds: wall time of one piece of code.
        memory_bytes: address space of one.
    """

    def __init__(self, isolation: Isolation, seconds: float, memory_bytes: int) -> None:
        self._sandbox = Sandbox(
            1, seconds, memory_bytes, isolation=isolation, setting="serve.isolation"
        )
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox")
        self._opened: Future[Any] = self._pool.submit(self._sandbox.__enter__)
        self._waiting = 0

    async def run(self, wanted: RunRequest) -> Outcome:
        """What became of the code; it is never the caller's fault that raises.

        Raises:
            ApiError: 429 where too many wait, 503 where the sandbox refuses to run anything.
        """
        if self._waiting >= MAX_WAITING:
            raise ApiError(429, f"{self._waiting} pieces of code wait to be run; try again later")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._run, wanted)
        except SandboxError as error:
            LOG.warning("the sandbox failed: %s", error)
            raise ApiError(503, without_paths(str(error))) from None
        finally:
            self._waiting -= 1

    def _run(self, wanted: RunRequest) -> Outcome:
        self._opened.result()
        [outcome] = self._sandbox.run(
            [wanted.code], result=wanted.result, notebook=True, forms=True, figures=True
        )
        return outcome

    def close(self) -> None:
        """Ends the sandbox. May be called again."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._sandbox.close()


def run_answer(outcome: Outcome) -> dict[str, Any]:
    """The body that goes back. `result` is null where the code left none of that name."""
    if outcome.status is Status.SANDBOX:
        raise ApiError(503, without_paths(outcome.error))
    return {
        "object": "calcgen.run",
        "status": outcome.status.value,
        "error": outcome.error or None,
        "line": outcome.line or None,
        "stdout": outcome.stdout,
        "seconds": round(outcome.seconds, 4),
        "result": dict(outcome.forms) or None,
        "figures": [base64.b64encode(figure).decode("ascii") for figure in outcome.figures],
    }
