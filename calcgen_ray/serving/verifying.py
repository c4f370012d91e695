"""Verified answers: candidates are run, and those that run, or are right, come first."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calcgen_ray.judge import Verifier
from calcgen_ray.problem import Completion, Expected, Kind, Outcome, Status, Verdict
from calcgen_ray.serving.answers import Choice
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.known import Known, recognise
from calcgen_ray.serving.limits import Verify, Wanted
from calcgen_ray.serving.running import MAX_CODE_CHARACTERS, CodeRunner, RunRequest, run_answer

UNDONE = re.compile(r"\b(Integral|Derivative|Limit|Sum|Subs|Piecewise|AccumBounds|zoo|nan|I)\b")
"""In a reference: SymPy has not computed it, or it is no one real value."""
ORDER = {Verdict.EQUAL: 0, Verdict.UNKNOWN: 1, Verdict.DIFFERENT: 2}


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate, what became of it, and its verdict where something was expected."""

    completion: Completion
    outcome: Outcome
    verdict: Verdict | None = None


async def verified(
    prompt: str,
    candidates: Sequence[Completion],
    wanted: Verify,
    runner: CodeRunner,
    verifier: Verifier | None,
    count: int,
) -> list[Choice]:
    """The best `count` candidates: right before unknown before wrong, then those that run, then
    those whose result most candidates agree on; each text once as long as there are others.

    Raises:
        ApiError: as `CodeRunner.run`, or the prompt alone is longer than what is run.
    """
    known = recognise(prompt) if wanted.expected is None else None
    if len(prompt) >= MAX_CODE_CHARACTERS:
        told = f"prompt: {len(prompt):,} characters; at most {MAX_CODE_CHARACTERS:,} are run"
        raise ApiError(400, told, param="prompt")
    expected = _told(wanted.expected) or await _of(known, runner)
    tried: dict[str, Tried] = {}
    for candidate in candidates:
        if candidate.text not in tried:
            outcome = await _outcome(prompt + candidate.text + "\n", runner)
            verdict = await _verdict(expected, outcome, verifier)
            tried[candidate.text] = Tried(candidate, outcome, verdict)
    every = [tried[candidate.text] for candidate in candidates]
    agreed = Counter(_result(one) for one in every if one.outcome.ran)
    ranked = sorted(
        tried.values(),
        key=lambda one: (
            ORDER.get(one.verdict, 1) if one.verdict else 1,
            not one.outcome.ran,
            -agreed[_result(one)],
        ),
    )
    ranked += [one for one in every if one.completion is not tried[one.completion.text].completion]
    while len(ranked) < count:
        ranked.append(ranked[len(ranked) % len(tried)])
    family = known.family if known and expected else None
    return [_choice(one, len(candidates), agreed, family) for one in ranked[:count]]


async def _outcome(code: str, runner: CodeRunner) -> Outcome:
    if len(code) > MAX_CODE_CHARACTERS:
        return Outcome(Status.FAILED, error=f"{len(code):,} characters are too many to be run")
    return await runner.run(RunRequest(code=code))


def _told(wanted: Wanted | None) -> Expected | None:
    if wanted is None:
        return None
    return Expected(Kind(wanted.kind), wanted.value, dict(wanted.given))


async def _of(known: Known | None, runner: CodeRunner) -> Expected | None:
    """The right result of a problem of a known family, None where SymPy itself finds none."""
    if known is None:
        return None
    if not known.code:
        return Expected(Kind(known.kind), "0", known.given)
    value = _text(await runner.run(RunRequest(code=known.code)))
    if not value or UNDONE.search(value):
        return None
    return Expected(Kind(known.kind), value, known.given)


async def _verdict(
    expected: Expected | None, outcome: Outcome, verifier: Verifier | None
) -> Verdict | None:
    if expected is None or verifier is None:
        return None
    if outcome.status is Status.FAILED:
        return Verdict.DIFFERENT
    if outcome.result is None:  # it stores its answer elsewhere, or was not let finish
        return Verdict.UNKNOWN
    loop = asyncio.get_running_loop()
    ruling = await loop.run_in_executor(None, verifier.decide, expected, outcome.result)
    return ruling.verdict


def _result(one: Tried) -> str:
    return _text(one.outcome)


def _text(outcome: Outcome) -> str:
    return str(dict(outcome.forms).get("text", "")) if outcome.ran else ""


def _choice(one: Tried, candidates: int, agreed: Counter[str], family: str | None) -> Choice:
    told: dict[str, Any] = run_answer(one.outcome)
    told["candidates"] = candidates
    told["agreeing"] = agreed[_result(one)] if one.outcome.ran else 0
    if one.verdict is not None:
        told["verdict"] = one.verdict.value
        told["checked_as"] = family or "expected"
    return Choice(one.completion.text, one.completion.finish_reason, calcgen=told)
