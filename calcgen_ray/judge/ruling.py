"""What the verdict on one answer was, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass

from calcgen_ray.problem import Verdict


@dataclass(frozen=True, slots=True)
class Ruling:
    """`method` names the way: structure, numeric, simplify, form, deadline, ...

    `reason` is one line for people; `seconds` is wall time, the sandbox's own excluded.
    """

    verdict: Verdict
    method: str
    reason: str = ""
    seconds: float = 0.0
