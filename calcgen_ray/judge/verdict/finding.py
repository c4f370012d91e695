"""A verdict before it has a time: what the comparisons return."""

from __future__ import annotations

from typing import NamedTuple

from calcgen_ray.problem import Verdict

CHARS = 300


class Finding(NamedTuple):
    """A verdict, the method that found it, and a reason of one line."""

    verdict: Verdict
    method: str
    reason: str = ""

    @property
    def equal(self) -> bool:
        return self.verdict is Verdict.EQUAL


class NotAnswerError(Exception):
    """What was given is no answer of the kind asked for: the verdict is DIFFERENT."""


class UnreadableError(Exception):
    """What was given is outside of what is understood or bounded: the verdict is UNKNOWN."""


def equal(method: str, reason: str = "") -> Finding:
    return Finding(Verdict.EQUAL, method, reason[:CHARS])


def different(method: str, reason: str = "") -> Finding:
    return Finding(Verdict.DIFFERENT, method, reason[:CHARS])


def unknown(method: str, reason: str = "") -> Finding:
    return Finding(Verdict.UNKNOWN, method, reason[:CHARS])
