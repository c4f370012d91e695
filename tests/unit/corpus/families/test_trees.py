"""The counts and the sampler of random trees, against enumeration and hand-made numbers."""

from __future__ import annotations

import itertools
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from calcgen_ray.corpus.families.trees import Shape, count, draw_tree
from calcgen_ray.errors import ConfigError


def is_tree(arities: tuple[int, ...]) -> bool:
    """Whether the prefix code closes exactly at its end."""
    slots = 1
    for place, arity in enumerate(arities):
        slots += arity - 1
        if slots == 0:
            return place == len(arities) - 1
    return False


def shapes(operators: int) -> list[tuple[int, ...]]:
    """All prefix codes with that many inner nodes, by trying every word."""
    return [
        word
        for length in range(operators + 1, 2 * operators + 2)
        for word in itertools.product((0, 1, 2), repeat=length)
        if sum(a > 0 for a in word) == operators and is_tree(word)
    ]


@pytest.mark.parametrize(
    ("slots", "operators", "expected"),
    [
        (1, 0, 1),
        (1, 1, 2),  # u(x), b(x, x)
        (1, 2, 6),  # the large Schroeder numbers, as the paper notes
        (1, 3, 22),
        (1, 4, 90),
        (2, 1, 4),  # each slot may carry the operator
        (0, 1, 0),
    ],
)
def test_counts_by_hand(slots: int, operators: int, expected: int) -> None:
    assert count(slots, operators) == expected


def test_counts_by_hand_with_kinds() -> None:
    # One operator: p1 ways with one leaf, p2 ways with two, and L names for each leaf.
    assert count(1, 1, leaves=3, unary=5, binary=7) == 5 * 3 + 7 * 9
    assert count(2, 0, leaves=3) == 9


@pytest.mark.parametrize("operators", [1, 2, 3, 4])
def test_counts_are_the_number_of_shapes(operators: int) -> None:
    assert count(1, operators) == len(shapes(operators))


@pytest.mark.parametrize("operators", [2, 3, 4])
def test_sampling_is_even_over_shapes(operators: int) -> None:
    rng = Random(operators)
    drawn = Counter(draw_tree(rng, operators) for _ in range(200 * count(1, operators)))
    assert set(drawn) == set(shapes(operators))
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_kinds_weigh_the_shapes() -> None:
    # One leaf name, 3 unary and 1 binary operator: u(x) three times as often as b(x, x).
    rng = Random(0)
    drawn = Counter(draw_tree(rng, 1, unary=3) for _ in range(8000))
    assert chisquare([drawn[(1, 0)], drawn[(2, 0, 0)]], [6000, 2000]).pvalue > 1e-3


@given(st.integers(0, 12), st.integers(0, 10**6))
def test_every_draw_is_a_tree_of_the_asked_size(operators: int, seed: int) -> None:
    tree = draw_tree(Random(seed), operators)
    assert is_tree(tree)
    assert sum(arity > 0 for arity in tree) == operators


@pytest.mark.parametrize(
    "fields",
    [
        {"operators": {"easy": (2, 1), "medium": (1, 1), "hard": (1, 1)}},
        {"operators": {"easy": (1, 1)}},
        {"unary": {"sinh": 1}},
        {"binary": {"add": -1}},
        {"binary": {}},
        {"variable_share": 0.0},
        {"low": 0},
        {"low": 5, "high": 5},
    ],
)
def test_a_shape_out_of_range_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Shape(**fields)  # type: ignore[arg-type]
