"""Verified answers: candidates are run, and those that run, or are right, come first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calcgen_ray.judge import Verifier
from calcgen_ray.problem import Completion, Expected, Kind, Outcome, Verdict
from calcgen_ray.serving.answers import Choice
from calcgen_ray.serving.limits import Verify, Wanted
from calcgen_ray.serving.running import CodeRunner, RunRequest, run_answer

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
        ApiError: as `CodeRunner.run`.
    """
    tried: dict[str, Tried] = {}
    for candidate in candidates:
        if candidate.text not in tried:
            outcome = await runner.run(RunRequest(code=prompt + candidate.text + "\n"))
            verdict = await _verdict(wanted.expected, outcome, verifier)
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
    return [_choice(one, len(candidates), agreed) for one in ranked[:count]]


async def _verdict(
    wanted: Wanted | None, outcome: Outcome, verifier: Verifier | None
) -> Verdict | None:
    if wanted is None or verifier is None:
        return None
    if not outcome.ran or outcome.result is None:
        return Verdict.DIFFERENT
    expected = Expected(Kind(wanted.kind), wanted.value, dict(wanted.given))
    loop = asyncio.get_running_loop()
    ruling = await loop.run_in_executor(None, verifier.decide, expected, outcome.result)
    return ruling.verdict


def _result(one: Tried) -> str:
    return str(dict(one.outcome.forms).get("text", ""))


def _choice(one: Tried, candidates: int, agreed: Counter[str]) -> Choice:
    told: dict[str, Any] = run_answer(one.outcome)
    told["candidates"] = candidates
    told["agreeing"] = agreed[_result(one)] if one.outcome.ran else 0
    if one.verdict is not None:
        told["verdict"] = one.verdict.value
    return Choice(one.completion.text, one.completion.finish_reason, calcgen=told)
