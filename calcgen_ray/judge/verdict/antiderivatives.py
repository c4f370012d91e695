"""Indefinite integrals: the derivative of the answer against the integrand, by values.

So any constant of integration is right, log(x) is as good as log(Abs(x)), and pieces may have
constants of their own. An unevaluated Integral, which would differentiate back, is refused when
the tree is read. Derivatives are central differences with so many digits that their error is far
below the tolerance: f'(x) = (f(x + h) - f(x - h)) / 2h + O(h^2). SymPy's own derivative of Abs of
a symbol without assumptions would be of no use here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from calcgen_ray.judge.verdict.agree import Sides, agree
from calcgen_ray.judge.verdict.finding import Finding, equal
from calcgen_ray.judge.verdict.numeric import CONTEXT, Program, Value, symbols_of
from calcgen_ray.judge.verdict.parsing import parse
from calcgen_ray.judge.verdict.points import Point
from calcgen_ray.judge.verdict.same import has_float
from calcgen_ray.judge.verdict.tree import expression


class Slope:
    """Values and first two derivatives of an expression in one variable, by differences.

    With d digits and h = 10^(-d/4) the first derivative is good to d/2 digits, and so is the
    second: its rounding is 10^-d / h^2.
    """

    def __init__(self, expr: Any, variable: str) -> None:
        self.program = Program(expr)
        self.variable = variable

    def derivative(self, point: Point, digits: int) -> Value:
        """The first derivative, to about `digits` digits, or None."""
        return self.jet(point, 2 * digits, 1)[1]

    def jet(self, point: Point, digits: int, order: int) -> list[Value]:
        """The value and derivatives up to `order` (1 or 2), computed with `digits` digits."""
        CONTEXT.dps = digits
        h = CONTEXT.mpf(10) ** -(digits // 4)
        x = point[self.variable]
        low, high = (self.program({**point, self.variable: x + shift}, digits) for shift in (-h, h))
        middle = self.program(point, digits) if order != 1 else CONTEXT.zero
        if low is None or high is None or middle is None:
            return [None] * (order + 1)
        second = [(high - 2 * middle + low) / h**2] if order == 2 else []
        return [middle, (high - low) / (2 * h), *second]


def decide_antiderivative(expected: Any, given: Mapping[str, str], answer: Any) -> Finding:
    """Whether the derivative of the answer is given["integrand"]."""
    found, integrand, variable = expression(answer), parse(given["integrand"]), given["variable"]
    if sympy.Symbol(variable) not in (found - expected).free_symbols and not has_float(found):
        return equal("structure", "the difference is a constant")
    slope, wanted = Slope(found, variable), Program(integrand)
    return agree(
        Sides(
            slope.derivative,
            wanted,
            sorted({*symbols_of(found, integrand), variable}),
            loose=has_float(found),
            analytic=slope.program.analytic and wanted.analytic,
        )
    )
