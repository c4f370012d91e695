"""Values over the tree agree with mpmath; real functions and their poles are told apart."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Abs, Symbol, acos, atan, cos, exp, log, pi, sin, sqrt, tan

from calcgen_ray.corpus.families.values import agree, is_real, is_steady, values

x = Symbol("x")


@pytest.mark.parametrize(
    "expr",
    [exp(-x) * sin(3 * x), atan(x) / sqrt(x), tan(x) ** 2 + pi, acos(x / 9) - log(x), Abs(x)],
)
def test_values_are_those_of_mpmath(expr: sympy.Expr) -> None:
    points = [0.3, 0.9, 1.2]
    wanted = [complex(sympy.lambdify(x, expr, mpmath)(point)) for point in points]
    np.testing.assert_allclose(values(expr, x, points), wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("expr", "low", "high", "real"),
    [
        (sqrt(x), 0, 4, True),
        (sqrt(x), -1, 4, False),
        (1 / (x - 1.003), 0, 2, False),  # the pole falls between two points of the grid
        (1 / (x - 1.003) ** 2, 0, 2, False),
        (1 / (x**2 - 2 * x + 1.0001), 0, 2, False),
        (tan(x), 0, 10, False),
        (tan(x), -1, 1, True),
        (log((x**2 - 2) ** 2), 0, 3, False),
        (log(x**2 + 1), -3, 3, True),
        (acos(x) ** 2, 0, 5, False),  # real again, but by way of complex numbers
        (exp(x**2), 0, 9, False),  # too large to plot
    ],
)
def test_real_on_an_interval(expr: sympy.Expr, low: float, high: float, real: bool) -> None:
    assert is_real(expr, x, low, high) is real


def test_steady_functions_are_those_a_grid_can_follow() -> None:
    assert is_steady(sin(5 * x), x, 0, 10)
    assert not is_steady(sin(3 * x**3), x, 0, 5)
    assert not is_steady(cos(exp(5 * x)), x, 2, 5)


def test_agree_looks_at_values_not_at_form() -> None:
    assert agree(sin(x) ** 2 + cos(x) ** 2, sympy.Integer(1), x)
    assert not agree(sin(x), sin(x) + sympy.Rational(1, 10**5), x)
    assert not agree(log(-(x**2)), log(-(x**2)), x)  # real nowhere: nothing was compared
