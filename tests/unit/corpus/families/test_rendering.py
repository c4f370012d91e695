"""Text and source of expressions say exactly what the expression is."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, Symbol, exp, log, oo, sin, sqrt

from calcgen_ray.corpus.families import Shape
from calcgen_ray.corpus.families.functions import Reject, draw_function
from calcgen_ray.corpus.families.rendering import numpy_source, script, source, words
from calcgen_ray.corpus.families.values import values

x = Symbol("x")
POINTS = np.array([0.31, 0.77, 1.9])


@pytest.mark.parametrize(
    "expr",
    [
        x + Rational(1, 2),
        x ** Rational(3, 2),
        x ** Rational(-3, 2),
        (x + 1) ** Rational(2, 3),
        Rational(2, 3) * x**2 - Rational(1, 3),
        exp(x / 2) / sqrt(x),
        sin(Rational(1, 3) + x),
        (x**2) ** Rational(1, 4),
    ],
)
def test_source_is_exact(expr: sympy.Expr) -> None:
    assert eval(source(expr), vars(sympy).copy(), {"x": x}) == expr


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 6))
def test_source_and_numpy_source_of_random_functions(seed: int, planned: int) -> None:
    try:
        expr = draw_function(Random(seed), planned, Shape(), [x])
    except Reject:
        return
    # Not always ==: SymPy multiplies 5*(x + 1)*y out or not according to the order of products.
    assert sympy.expand(eval(source(expr), vars(sympy).copy(), {"x": x}) - expr) == 0
    with np.errstate(all="ignore"):
        found = eval(numpy_source(expr), {"np": np, "x": POINTS + 0j})
    np.testing.assert_allclose(found + 0 * POINTS, values(expr, x, POINTS), rtol=1e-9)


def test_words_in_two_notations() -> None:
    expr = x**2 * log(x)
    assert words(expr) == "x**2*log(x)"
    assert words(expr, "maths") == "x^2*ln(x)"
    assert words(oo, "maths") == "infinity"


def test_script_imports_just_what_it_uses() -> None:
    lines = ["x = symbols('x')", "f = sin(x)", "result = f.diff(x)"]
    assert script(lines, "names").splitlines()[0] == "from sympy import symbols, sin"
    assert "f = sp.sin(x)\nresult = f.diff(x)" in script(lines, "module")
