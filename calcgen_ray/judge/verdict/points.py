"""Seeded points over several intervals: real ones first, complex ones for analytic functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from calcgen_ray.judge.verdict.numeric import CONTEXT

Point = dict[str, Any]

NEAR = ((0.05, 1.0), (1.0, 3.0), (-1.0, -0.05), (3.0, 8.0), (-4.0, -1.0))
FAR = ((0.0, 0.05), (8.0, 40.0), (-15.0, -4.0), (0.9, 1.1), (-0.05, 0.0), (1.5, 1.6))
EACH = 3
FAR_EACH = 8
COMPLEX = 8


def near(names: Sequence[str]) -> Iterator[Point]:
    """Fifteen real points, a few in each of the intervals by turns."""
    yield from real(names, NEAR, EACH)


def far(names: Sequence[str]) -> Iterator[Point]:
    """Real points in narrower and wider places, for functions that are seldom real."""
    yield from real(names, FAR, FAR_EACH)


def real(
    names: Sequence[str], intervals: Sequence[tuple[float, float]], each: int
) -> Iterator[Point]:
    """The variables of a point are drawn from intervals of their own."""
    rng = Random(f"real {','.join(names)} {len(intervals)}")
    for turn in range(each):
        for place in range(len(intervals)):
            yield {
                name: CONTEXT.mpf(rng.uniform(*intervals[(place + shift * turn) % len(intervals)]))
                for shift, name in enumerate(names)
            }


def complex_ones(names: Sequence[str]) -> Iterator[Point]:
    """Points in all four quadrants, off the axes."""
    rng = Random(f"complex {','.join(names)}")
    for turn in range(COMPLEX):
        signs = (1 if turn & 1 else -1, 1 if turn & 2 else -1)
        yield {
            name: CONTEXT.mpc(
                signs[0] * rng.uniform(0.2, 2.0 + shift), signs[1] * rng.uniform(0.2, 1.5)
            )
            for shift, name in enumerate(names)
        }
