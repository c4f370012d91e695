"""The labelled set: nothing wrong is accepted, almost nothing right is refused or left open."""

from __future__ import annotations

from collections import Counter

from calcgen_ray.judge.verdict.deciding import decide
from calcgen_ray.problem import Kind, Verdict
from tests.golden.pairs import pairs


def test_labelled_pairs() -> None:
    accepted, refused, unknown = [], [], []
    labels: Counter[tuple[Kind, bool]] = Counter()
    for pair in (made := pairs()):
        labels[pair.expected.kind, pair.equal] += 1
        found = decide(pair.expected.kind, pair.expected.value, pair.expected.given, pair.tree)
        told = (found, pair.made, pair.expected, str(pair.tree)[:300])
        if found.verdict is Verdict.UNKNOWN:
            unknown.append(told)
        elif found.equal and not pair.equal:
            accepted.append(told)
        elif pair.equal and not found.equal:
            refused.append(told)
    print(len(made), labels, len(accepted), len(refused), len(unknown))
    assert len(made) >= 400 and set(labels) == {(k, e) for k in Kind for e in (True, False)}
    assert not accepted, accepted
    assert len(refused) <= 0.01 * len(made), refused
    assert len(unknown) <= 0.03 * len(made), unknown
