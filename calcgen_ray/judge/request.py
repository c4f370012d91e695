"""What one child is told: the code, what to report of it, how much of the machine it may use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

STDOUT_BYTES = 64 << 10
"""Kept of a segment's output; the rest is read and thrown away."""

ERROR_CHARS = 500
TREE_BYTES = 128 << 10
"""Of a result's tree, as JSON."""

EXTRA_BYTES = 8 << 20
"""Of all results, forms and figures of a job together."""

PIECE_BYTES = 32 << 10
MORE, LAST = b"+", b"."


@dataclass(frozen=True, slots=True)
class Limits:
    """Wall seconds for a segment and for the whole job, and bytes of address space."""

    seconds: float = 10.0
    job_seconds: float = 60.0
    memory_bytes: int = 4 << 30


@dataclass(frozen=True, slots=True)
class Request:
    """Segments run in order in one namespace. `notebook` adds `display` and `get_ipython`.

    After the last one, `result` names the variable whose tree is reported, `forms` asks for its
    text, LaTeX and MathML too, and `figures` for the open figures.
    """

    segments: tuple[str, ...]
    notebook: bool = False
    limits: Limits = Limits()
    result: str | None = None
    forms: bool = False
    figures: bool = False

    @property
    def wants_extras(self) -> bool:
        return self.result is not None or self.figures

    @classmethod
    def from_json(cls, message: Mapping[str, Any]) -> Request:
        """The request that `to_json` turned into a message."""
        fields = {**message, "segments": tuple(message["segments"])}
        return cls(**{**fields, "limits": Limits(**message["limits"])})

    def to_json(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return asdict(self)


def pieces(value: object) -> Iterator[bytes]:
    """A value as JSON in messages that a socket takes whole."""
    data = json.dumps(value).encode()
    for start in range(0, len(data), PIECE_BYTES):
        piece = data[start : start + PIECE_BYTES]
        yield (LAST if start + PIECE_BYTES >= len(data) else MORE) + piece
