"""The figures of one checkpoint from its records.

- R: share of greedy completions that ran to their end. It rewards empty programs, so it is never
  shown without correctness.
- correct: share of greedy completions whose result is right. `easy`, `medium`, `hard` and
  `by_family` are over the problems in wordings that are trained on, `unseen_wording` over those
  worded by hand, `docstring` over SymPy's own examples, `composition` and `deeper` over those of
  the file `generalisation`, `all` over all of them; `by_depth` is over all by the depth of the
  expression that is asked about, with the number of problems.
- S, precision, F1: means over the greedy completions (similarity.py).
- diversity: r = unique tokens / tokens of the greedy completions. It falls as text grows, so only
  checkpoints that answered the same problems compare.
- pass_at_k: mean over problems of the unbiased estimate from the samples (pass_at_k.py).
- unknown: share of all completions that could not be ruled on; they count as not right.
- copied: share of all completions that one training cell holds whole (copies.py).

What the sandbox itself could not run is left out of every share, and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from calcgen_ray.evaluate.pass_at_k import bootstrap, pass_at_k
from calcgen_ray.evaluate.records import GREEDY, UNASKED, Record
from calcgen_ray.problem import DIFFICULTIES, Status, Verdict

PASS_AT = (1, 10)


def summarise(
    records: Sequence[Record],
    tokens_of: Callable[[str], Iterable[int]],
    depths: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    """The figures of `calcgen eval --json`, perplexity and isolation apart.

    Args:
        tokens_of: the tokens of a text, for diversity.
        depths: of problems' expressions, by their ids.
    """
    sound = [r for r in records if r.outcome != Status.SANDBOX]
    greedy = [r for r in sound if r.sample == GREEDY]
    sampled = [r for r in sound if r.sample != GREEDY and r.verdict != UNASKED]
    estimates = {k: _pass_at(sampled, k) for k in PASS_AT}
    intervals = {f"pass_at_{k}": _interval(values) for k, values in estimates.items()}
    return {
        "R": share(greedy, lambda r: r.outcome == Status.RAN),
        "S": mean([r.s for r in greedy]),
        "precision": mean([r.precision for r in greedy]),
        "F1": mean([r.f1 for r in greedy]),
        "diversity": _diversity(greedy, tokens_of),
        "correct": {**correctness(greedy), "by_depth": by_depth(greedy, depths)},
        **{f"pass_at_{k}": mean(values) for k, values in estimates.items()},
        "unknown": share(sound, lambda r: r.verdict == Verdict.UNKNOWN),
        "copied": share(sound, lambda r: r.copied),
        "intervals": {"correct": _interval(_rights(greedy)), **intervals},
        "problems": len({r.problem for r in records}),
        "samples": max((r.sample for r in records), default=0),
        "sandbox_faults": len(records) - len(sound),
    }


def correctness(greedy: Sequence[Record]) -> dict[str, Any]:
    """Shares of right answers over all, by difficulty, by group and by family."""
    trained = [r for r in greedy if r.group == "generated"]
    families = list(dict.fromkeys(r.family for r in trained))
    return {
        "all": right(greedy),
        **{level: right(_only(trained, level)) for level in DIFFICULTIES},
        "unseen_wording": right([r for r in greedy if r.group == "wording"]),
        **{
            group: right([r for r in greedy if r.group == group])
            for group in ("docstring", "composition", "deeper")
        },
        "by_family": {f: right([r for r in trained if r.family == f]) for f in families},
        "by_family_and_difficulty": {
            f: {level: right(_only([r for r in trained if r.family == f], level))
                for level in DIFFICULTIES}
            for f in families
        },
    }  # fmt: skip


def by_depth(
    greedy: Sequence[Record], depths: Mapping[str, int]
) -> dict[str, dict[str, float | int | None]]:
    """The share of right answers and the number of problems of each depth."""
    found: dict[int, list[Record]] = defaultdict(list)
    for record in greedy:
        if record.problem in depths:
            found[depths[record.problem]].append(record)
    return {
        str(depth): {"correct": right(found[depth]), "problems": len(found[depth])}
        for depth in sorted(found)
    }


def right(records: Sequence[Record]) -> float | None:
    """The share of right answers where there is a right one."""
    return share([r for r in records if r.verdict != UNASKED], lambda r: r.correct)


def share(records: Sequence[Record], test: Callable[[Record], bool]) -> float | None:
    """The share of records that pass a test; None of no records."""
    return mean([float(test(record)) for record in records])


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _rights(greedy: Sequence[Record]) -> list[float]:
    return [float(r.correct) for r in greedy if r.verdict != UNASKED]


def _only(records: Sequence[Record], difficulty: str) -> list[Record]:
    return [record for record in records if record.difficulty == difficulty]


def _pass_at(sampled: Sequence[Record], k: int) -> list[float]:
    """pass@k of each problem that has k samples."""
    found: dict[str, list[bool]] = defaultdict(list)
    for record in sampled:
        found[record.problem].append(record.correct)
    return [pass_at_k(len(all_), sum(all_), k) for all_ in found.values() if len(all_) >= k]


def _interval(values: Sequence[float]) -> list[float] | None:
    """The 95 % interval of a mean over problems."""
    return list(bootstrap(values)[1:]) if values else None


def _diversity(
    records: Sequence[Record], tokens_of: Callable[[str], Iterable[int]]
) -> float | None:
    tokens = [token for record in records for token in tokens_of(record.code)]
    return len(set(tokens)) / len(tokens) if tokens else None
