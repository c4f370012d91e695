"""Expressions in English words, so nested that only one reading is left."""

from __future__ import annotations

from typing import Any

import sympy

FUNCTIONS = {
    "sin": "the sine of", "cos": "the cosine of", "tan": "the tangent of",
    "asin": "the arcsine of", "acos": "the arccosine of", "atan": "the arctangent of",
    "log": "the natural logarithm of", "exp": "the exponential of", "Abs": "the absolute value of",
}  # fmt: skip
CONSTANTS = {sympy.pi: "pi", sympy.E: "e"}
POWERS = {2: "squared", 3: "cubed"}


def spoken(expr: Any) -> str:
    """An elementary expression in words: "the sum of x squared and the sine of x".

    Raises:
        KeyError: a function that has no words here.
    """
    if expr in CONSTANTS:
        return CONSTANTS[expr]
    if expr.is_Symbol or expr.is_Integer:
        return f"minus {-expr}" if expr.is_negative else str(expr)
    if expr.is_Add:
        return _listed("the sum of", expr.as_ordered_terms())
    if expr.is_Pow:
        return _power(*expr.as_base_exp())
    upper, lower = sympy.fraction(expr, exact=True)
    if lower != 1:
        return f"the quotient of {spoken(upper)} and {spoken(lower)}"
    if expr.is_Mul:
        factors = expr.as_ordered_factors()
        if factors[0] == -1:
            return f"the negative of {spoken(sympy.Mul(*factors[1:]))}"
        return _listed("the product of", factors)
    return f"{FUNCTIONS[expr.func.__name__]} {spoken(expr.args[0])}"


def _power(base: Any, exponent: Any) -> str:
    if exponent == sympy.Rational(1, 2):
        return f"the square root of {spoken(base)}"
    if base == sympy.E:
        return f"{FUNCTIONS['exp']} {spoken(exponent)}"
    if exponent.is_negative:
        return f"the reciprocal of {spoken(1 / (base**exponent))}"
    if base.is_Atom and exponent in POWERS:
        return f"{spoken(base)} {POWERS[exponent]}"
    if exponent in POWERS:
        return f"the {'square' if exponent == 2 else 'cube'} of {spoken(base)}"
    return f"the power of {spoken(base)} to {spoken(exponent)}"


def _listed(head: str, parts: Any) -> str:
    words = [spoken(part) for part in parts]
    if len(words) == 1:
        return words[0]
    return f"{head} {', '.join(words[:-1])} and {words[-1]}"
