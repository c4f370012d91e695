"""Submission ids: the same work has the same id, and a repeated attempt a number behind it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from calcgen_ray.jobs.work import Work

ENDED_BADLY = frozenset({"FAILED", "STOPPED"})
ENDED = ENDED_BADLY | {"SUCCEEDED"}
MAX_NAME = 40


@dataclass(frozen=True, slots=True)
class Attempt:
    """An id, and whether the cluster has that job already."""

    ident: str
    there: bool


def submission_id(work: Work, data: str) -> str:
    """`VERB-RUN-DIGEST`: of the configuration, the checkpoints and the digest of what travels."""
    text = "\0".join([work.verb, work.yaml, *work.targets, data])
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{work.verb}-{work.config.run_name[:MAX_NAME]}-{digest}"


def attempt(base: str, statuses: Mapping[str, str]) -> Attempt:
    """The newest attempt if it is running or has succeeded, else the next one."""
    numbers = {number: name for name in statuses if (number := _number(base, name))}
    if not numbers:
        return Attempt(base, False)
    last = max(numbers)
    if statuses[numbers[last]] in ENDED_BADLY:
        return Attempt(f"{base}-{last + 1}", False)
    return Attempt(numbers[last], True)


def _number(base: str, name: str) -> int:
    """1 for the base itself, N for base-N, 0 for another job's id."""
    if name == base:
        return 1
    found = re.fullmatch(re.escape(base) + r"-([2-9]|[1-9]\d+)", name)
    return int(found[1]) if found else 0
