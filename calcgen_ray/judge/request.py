"""What one child is told: the code, and how much of the machine it may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STDOUT_BYTES = 64 << 10
"""Kept of a segment's output; the rest is read and thrown away."""

ERROR_CHARS = 500

TREE_BYTES = 128 << 10
"""Of a result, as JSON: a report is one message of a socket that holds some 200 kB."""

REPORT_BYTES = 192 << 10


@dataclass(frozen=True, slots=True)
class Limits:
    """Wall seconds for a segment and for the whole job, and bytes of address space."""

    seconds: float = 10.0
    job_seconds: float = 60.0
    memory_bytes: int = 4 << 30


@dataclass(frozen=True, slots=True)
class Request:
    """Segments run in order in one namespace. `notebook` adds `display` and `get_ipython`.

    `result` names the variable that is reported with the last segment.
    """

    segments: tuple[str, ...]
    notebook: bool
    limits: Limits
    result: str | None = None

    @classmethod
    def from_json(cls, message: Mapping[str, Any]) -> Request:
        """The request that `dataclasses.asdict` turned into a message."""
        limits = Limits(**message["limits"])
        return cls(tuple(message["segments"]), message["notebook"], limits, message["result"])
