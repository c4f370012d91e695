"""Whether two expressions are the same function, or the same number.

In this order, the cheap and decisive first: structure, values at points, algebra. Values outrank
algebra, which asks SymPy's rewriting of candidate material and is kept for short expressions.
Symbols stand for real numbers: what holds for all real values counts, so that log(x**2) equals
2*log(x) where both are real.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import S

from calcgen_ray.judge.verdict.agree import Sides, agree
from calcgen_ray.judge.verdict.finding import Finding, different, equal, unknown
from calcgen_ray.judge.verdict.numeric import Program, symbols_of
from calcgen_ray.problem import Verdict

SIMPLIFY_NODES = 120
INFINITE = (S.Infinity, S.NegativeInfinity, S.ComplexInfinity)


def same(left: Any, right: Any) -> Finding:
    """Compares two expressions.

    Raises:
        UnreadableError: one of them has no numeric form.
    """
    if left == right:
        return equal("structure")
    if left.has(*INFINITE) or right.has(*INFINITE):
        return infinite(left, right)
    ours, theirs = Program(left), Program(right)
    sides = Sides(
        ours,
        theirs,
        symbols_of(left, right),
        loose=has_float(left) or has_float(right),
        analytic=ours.analytic and theirs.analytic,
    )
    found = agree(sides)
    return simplified(left, right) if found.verdict is Verdict.UNKNOWN else found


def infinite(left: Any, right: Any) -> Finding:
    """Infinities are equal only to themselves; inside of an expression they decide nothing."""
    if left in INFINITE or right in INFINITE:
        return different("structure", f"{str(left)[:80]} against {str(right)[:80]}")
    return unknown("structure", "an infinity stands inside")


def has_float(expr: Any) -> bool:
    return bool(expr.has(sympy.Float))


def simplified(left: Any, right: Any) -> Finding:
    """By algebra, under the deadline of the whole verdict; only equality can be shown so."""
    gap = left - right
    if sum(1 for _ in sympy.preorder_traversal(gap)) > SIMPLIFY_NODES:
        return unknown("simplify", "too few points, and too long to simplify")
    ways = (sympy.expand, sympy.cancel, sympy.trigsimp, sympy.logcombine, sympy.simplify)
    for way in ways:
        try:
            if way(gap) == 0:
                return equal("simplify", way.__name__)
        except (ArithmeticError, ValueError, TypeError, AttributeError, NotImplementedError):
            continue
    return unknown("simplify", "too few points with real values")
