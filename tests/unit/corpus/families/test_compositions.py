"""Compositions that training never shows: none comes in problems and drills, all can be drawn."""

import pytest
import sympy

from calcgen_ray.corpus.drills import make_pair
from calcgen_ray.corpus.families import FAMILIES, Shape, make_problem, skeleton
from calcgen_ray.corpus.families.reserved import COMPOSITIONS, has_kept_composition, may_train

x = sympy.Symbol("x")


@pytest.mark.parametrize(
    "expr, kept",
    [
        (sympy.sin(sympy.log(x)), True),
        (3 + sympy.sqrt(sympy.cos(sympy.sin(2 * x))), False),
        (2 * sympy.sin(sympy.log(x**2 + 1)) / x, True),
        (sympy.sin(x) * sympy.log(x), False),
        (sympy.log(sympy.sin(x)), False),
        (sympy.exp(sympy.tan(x) + 1), False),
    ],
)
def test_directly_within(expr, kept):
    assert has_kept_composition(skeleton(expr)) == kept


def test_none_comes_in_training():
    drawn = [make_problem(f, "hard", 4, i).skeleton for f in FAMILIES for i in range(6)]
    drawn += [drill.skeleton for index in range(300) for drill in make_pair(4, index, Shape())]
    assert all(may_train(one) for one in drawn)
    inner = [
        f"{a}({b}(" for a in ("sin", "cos", "exp", "log") for b in ("sin", "cos", "exp", "log")
    ]
    shown = [pair for pair in inner if any(pair in one for one in drawn)]
    assert len(shown) > 5
    assert not {f"{outer}({within}(" for outer, within in COMPOSITIONS} & set(shown)
