"""Random unary-binary trees, drawn evenly over their shapes.

Source: Lample and Charton, Deep Learning for Symbolic Mathematics, arXiv:1912.01412, section 3 and
appendix C ("Generating random expressions", "unary-binary trees").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from random import Random
from types import MappingProxyType

from calcgen_ray.errors import ConfigError
from calcgen_ray.problem import DIFFICULTIES, Difficulty

OPERATORS: Mapping[Difficulty, tuple[int, int]] = MappingProxyType(
    {"easy": (1, 2), "medium": (2, 4), "hard": (4, 6)}
)
UNARY: Mapping[str, int] = MappingProxyType(
    {
        "sqrt": 4, "pow2": 4, "pow3": 2, "log": 4, "exp": 4, "sin": 4, "cos": 4, "tan": 4,
        "asin": 1, "acos": 1, "atan": 1,
    }
)  # fmt: skip
BINARY: Mapping[str, int] = MappingProxyType({"add": 10, "sub": 3, "mul": 10, "div": 5})


@dataclass(frozen=True, slots=True)
class Shape:
    """What random expressions look like. The weights are the published ones, hyperbolics left out.

    operators: fewest and most operators for each difficulty.
    unary, binary: weight of each operator; names outside the defaults are refused.
    variable_share: share of leaves that are the variable, the others being integers.
    low, high: the range of those integers, both ends included, from 1.

    Raises ConfigError when a value is out of its range.
    """

    operators: Mapping[Difficulty, tuple[int, int]] = field(default_factory=lambda: OPERATORS)
    unary: Mapping[str, int] = field(default_factory=lambda: UNARY)
    binary: Mapping[str, int] = field(default_factory=lambda: BINARY)
    variable_share: float = 0.75
    low: int = 1
    high: int = 9

    def __post_init__(self) -> None:
        for difficulty in DIFFICULTIES:
            low, high = self.operators.get(difficulty, (0, 0))
            if not 1 <= low <= high <= 15:
                raise ConfigError(
                    f"operators[{difficulty}] is {(low, high)}: give 1 <= fewest <= most <= 15"
                )
        for weights, known in ((self.unary, UNARY), (self.binary, BINARY)):
            if not set(weights) <= set(known) or min(weights.values(), default=0) < 0:
                raise ConfigError(
                    f"weights {dict(weights)}: names from {list(known)}, none below 0"
                )
            if sum(weights.values()) <= 0:
                raise ConfigError(f"weights {dict(weights)}: at least one must be above 0")
        if not 0 < self.variable_share <= 1:
            raise ConfigError(f"variable_share is {self.variable_share}: give 0 < share <= 1")
        if not 1 <= self.low < self.high:
            raise ConfigError(f"integers {self.low}..{self.high}: give 1 <= low < high")

    def size(self, rng: Random, difficulty: Difficulty, most: int = 15) -> int:
        """A number of operators for this difficulty, at most `most`."""
        low, high = self.operators[difficulty]
        return rng.randint(min(low, most), min(high, most))


@cache
def count(slots: int, operators: int, leaves: int = 1, unary: int = 1, binary: int = 1) -> int:
    """D(e, n): the number of ways to grow e open slots into trees with n operators in all.

    D(0, n) = 0, D(e, 0) = L^e, D(e, n) = L D(e-1, n) + p1 D(e, n-1) + p2 D(e+1, n-1), with L kinds
    of leaf and p1 and p2 operators of arity 1 and 2 (appendix C of the paper). D(0, 0) is 1, the
    empty forest, and never asked for by the sampler.
    """
    if operators == 0:
        return int(leaves**slots)
    if slots == 0:
        return 0
    return (
        leaves * count(slots - 1, operators, leaves, unary, binary)
        + unary * count(slots, operators - 1, leaves, unary, binary)
        + binary * count(slots + 1, operators - 1, leaves, unary, binary)
    )


def draw_next(
    rng: Random, slots: int, operators: int, leaves: int, unary: int, binary: int
) -> tuple[int, int]:
    """How many open slots become leaves before the next operator, and that operator's arity.

    P(k, a) = L^k p_a D(e - k - 1 + a, n - 1) / D(e, n), in exact integers.
    """
    ticket = rng.randrange(count(slots, operators, leaves, unary, binary))
    for skipped in range(slots):
        for arity, kinds in ((1, unary), (2, binary)):
            rest = count(slots - skipped - 1 + arity, operators - 1, leaves, unary, binary)
            ticket -= leaves**skipped * kinds * rest
            if ticket < 0:
                return skipped, arity
    raise AssertionError("the counts do not add up")


def draw_tree(
    rng: Random, operators: int, leaves: int = 1, unary: int = 1, binary: int = 1
) -> tuple[int, ...]:
    """A tree with `operators` inner nodes as the arities of its nodes in prefix order.

    With the three weights at 1 every shape is equally likely.
    """
    tree: list[int | None] = [None]
    start, slots = 0, 1
    for left in range(operators, 0, -1):
        skipped, arity = draw_next(rng, slots, left, leaves, unary, binary)
        start += skipped
        tree[start : start + 1] = [arity, *[None] * arity]
        start += 1
        slots += arity - 1 - skipped
    return tuple(arity or 0 for arity in tree)
