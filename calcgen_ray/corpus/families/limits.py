"""Limits at a point, from one side and at infinity, each with a value known beforehand.

The value comes from Taylor's theorem or from orders of growth, never from SymPy's limit, which is
then asked too and must agree.
"""

from __future__ import annotations

from random import Random
from typing import Any

import sympy
from sympy import Integer, Symbol, oo

from calcgen_ray.corpus.families.drafts import Draft, Family, ask
from calcgen_ray.corpus.families.functions import (
    draw_function,
    draw_variable,
    insist,
    integer,
    is_finite,
    nodes,
    operators,
    require,
)
from calcgen_ray.corpus.families.gentleness import is_shallow
from calcgen_ray.corpus.families.rendering import solution, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.families.values import values
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "point": (
        "Find the limit of {f} as {x} approaches {a}.",
        "Compute lim {x}->{a} of {f}.",
        "What does {f} tend to when {x} goes to {a}?",
        "Evaluate the limit of f({x}) = {f} at {x} = {a}.",
        "Let f({x}) = {f}. Find the limit of f as {x} -> {a}.",
        "Determine the value that {f} approaches near {x} = {a}.",
        "Use SymPy to take the limit of {f} for {x} to {a}.",
        "Calculate the limit: {f}, {x} -> {a}.",
    ),
    "side": (
        "Find the limit of {f} as {x} approaches {a} from the {side}.",
        "Compute the {side}-hand limit of {f} at {x} = {a}.",
        "What does {f} tend to when {x} comes to {a} from the {side}?",
        "Evaluate the one-sided limit of {f} at {a}, from the {side}.",
    ),
    "infinity": (
        "Find the limit of {f} as {x} goes to {a}.",
        "Evaluate lim {x} -> {a} for {f}.",
        "How does {f} behave as {x} tends to {a}? Give the limit.",
        "Let f({x}) = {f}. Find its limit as {x} -> {a}.",
    ),
}
Found = tuple[Any, Any, Any, str]
"""A function, the point, the limit, and the direction: "+-", "+" or "-"."""


def at(f: Any, x: Symbol, a: Any) -> Any:
    """The value at a point where the function is real and finite."""
    value = values(f, x, [float(a)])[0]
    require(bool(abs(value) < 1e6 and abs(value.imag) < 1e-12))
    exact = f.subs(x, a)
    require(is_finite(exact) and nodes(exact) <= 12)
    return exact


def smooth(rng: Random, planned: int, shape: Shape, x: Symbol, a: Any) -> Any:
    """A random function that is smooth around a, with derivatives of a moderate size."""
    f = draw_function(rng, planned, shape, [x])
    require(is_shallow(f, x))
    around = values(f, x, [float(a) - 0.05, float(a), float(a) + 0.05])
    require(bool(abs(around.imag).max() < 1e-12 and abs(around).max() < 1e3))
    return f


def substitution(rng: Random, planned: int, shape: Shape, x: Symbol) -> Found:
    """A continuous function at a point inside its domain."""
    a = Integer(rng.randint(-2, 4))
    f = smooth(rng, planned, shape, x, a)
    return f, a, at(f, x, a), "+-"


def cancelling(rng: Random, planned: int, shape: Shape, x: Symbol) -> Found:
    """(p(x) - p(a)) / (x - a) with a polynomial p, multiplied out: p'(a)."""
    a, b, c = integer(rng, -6, 6), integer(rng, -6, 6), integer(rng, 1, 4)
    above = sympy.expand((x - a) * (c * x ** rng.randint(1, 2) + b))
    below = x - a if rng.random() < 0.5 else sympy.expand((x - a) * (x + integer(rng, 1, 6)))
    value = sympy.cancel(above / below)
    return above / below, a, at(value, x, a), "+-"


def quotient(rng: Random, planned: int, shape: Shape, x: Symbol) -> Found:
    """(f(x) - f(a)) / (x - a), which is f'(a) by the definition of the derivative."""
    a = Integer(rng.choice([0, 0, 0, 1, 2, 3]))
    f = smooth(rng, planned, shape, x, a)
    whole = (f - at(f, x, a)) / (x - a)
    return whole, a, at(sympy.diff(f, x), x, a), "+-"


def second(rng: Random, planned: int, shape: Shape, x: Symbol) -> Found:
    """(f(x) - f(0) - f'(0) x) / x^2, which is f''(0) / 2 by Taylor's theorem."""
    f = smooth(rng, planned, shape, x, 0)
    first = sympy.diff(f, x)
    above = f - at(f, x, 0) - at(first, x, 0) * x
    return above / x**2, Integer(0), at(sympy.diff(first, x), x, 0) / 2, "+-"


def ratio(rng: Random, planned: int, shape: Shape, x: Symbol) -> Found:
    """f(k x) / g(m x) with f and g from functions that are like x at 0."""
    like = (
        sympy.sin, sympy.tan, sympy.atan, sympy.asin,
        lambda u: sympy.exp(u) - 1, lambda u: sympy.log(1 + u), lambda u: u, lambda u: u + u**2,
    )  # fmt: skip
    k, m = integer(rng, 1, 9), integer(rng, 1, 9)
    f, g = rng.sample(range(len(like)), 2)
    return like[f](k * x) / like[g](m * x), Integer(0), k / m, "+-"


def far_quotient(rng: Random, planned: int, shape: Shape, x: Symbol) -> Found:
    """x (f(1/x) - f(0)) at infinity, which is f'(0)."""
    f = smooth(rng, planned, shape, x, 0)
    slope = at(sympy.diff(f, x), x, 0)
    return x * (f - at(f, x, 0)).subs(x, 1 / x), oo, slope, "+-"


def polynomials(rng: Random, planned: int, shape: Shape, x: Symbol) -> Found:
    """A quotient of two polynomials at infinity: that of the leading terms."""
    above, below = rng.randint(1, 3), rng.randint(1, 3)
    p = [integer(rng, -9, 9), integer(rng, 1, 9)]
    f = p[1] * x**above + p[0] * x ** rng.randint(0, above - 1)
    q = integer(rng, 1, 9)
    g = q * x**below + integer(rng, -9, 9) * x ** rng.randint(0, below - 1)
    value = Integer(0) if above < below else p[1] / q if above == below else oo
    return f / g, oo, value, "+-"


def growth(rng: Random, planned: int, shape: Shape, x: Symbol) -> Found:
    """Orders of growth, (1 + a/x)^(b x), and differences of roots."""
    a, b, n = integer(rng, 1, 9), integer(rng, 1, 4), rng.randint(1, 3)
    c = integer(rng, 1, 9)
    f, value = rng.choice(
        [
            ((x**n + c) * sympy.exp(-a * x), Integer(0)),
            (sympy.log(a * x + c) / x**n, Integer(0)),
            ((1 + a / x) ** (b * x), sympy.exp(a * b)),
            (sympy.sqrt(x**2 + a * x) - x, sympy.Rational(a, 2)),
            (sympy.sqrt(x**2 + a * x + c) - sympy.sqrt(x**2 + b * x), (a - b) / Integer(2)),
            (sympy.exp(b * x) / (x**n + c), oo),
            (sympy.atan(a * x) * c, c * sympy.pi / 2),
            (sympy.log(a * x + c) - sympy.log(b * x), sympy.log(a / b)),
            (x * sympy.sin(a / x) / b, a / b),
            ((a * sympy.exp(x) + c) / (b * sympy.exp(x) - x**n), a / b),
        ]
    )
    return f, oo, value, "+-"


def sided(rng: Random, planned: int, shape: Shape, x: Symbol) -> Found:
    """A pole or a logarithm approached from one side, or a jump."""
    a, c, n = integer(rng, -5, 5), integer(rng, 1, 9), rng.randint(1, 3)
    side = rng.choice("+-")
    sign = 1 if side == "+" else (-1) ** n
    step = Integer(1 if side == "+" else -1)
    f, value, side = rng.choice(
        [
            (c / (x - a) ** n, sign * oo, side),
            ((x + c - a) / (x - a) ** n, sign * oo, side),
            (c * sympy.log(x - a), -oo, "+"),
            ((x - a) ** n * sympy.log(x - a), Integer(0), "+"),
            (c * sympy.Abs(x - a) / (x - a), c * step, side),
            (sympy.exp(c / (x - a)), oo if side == "+" else Integer(0), side),
            (sympy.atan(c / (x - a)), step * sympy.pi / 2, side),
        ]
    )
    return f, a, value, side


WAYS: dict[Difficulty, tuple[Any, ...]] = {
    "easy": (substitution, cancelling, ratio),
    "medium": (substitution, quotient, quotient, cancelling, ratio, sided, polynomials),
    "hard": (second, second, quotient, quotient, far_quotient, far_quotient, growth, sided),
}


def is_short(f: Any) -> bool:
    """Whether SymPy's limit is quick with its size."""
    return operators(f) <= 14 and nodes(f) <= 32


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """Substitution and cancelling first; then quotients, sides, infinity."""
    x = draw_variable(rng)
    way = rng.choice(WAYS[difficulty])
    most = 3 if way in (second, far_quotient) else 4
    return insist(lambda: draw_way(rng, way, shape.size(rng, difficulty, most), shape, x))


def draw_way(rng: Random, way: Any, planned: int, shape: Shape, x: Symbol) -> Draft:
    """A limit of that form, with which SymPy must agree."""
    f, a, value, side = way(rng, planned, shape, x)
    require(f.has(x) and is_short(f) and nodes(value) <= 12)
    own = sympy.limit(f, x, a, side)
    require(own == value or bool(abs(complex(own - value)) < 1e-9 * (1 + abs(complex(value)))))
    return finish(rng, f, x, a, value, side)


def finish(rng: Random, f: Any, x: Symbol, a: Any, value: Any, side: str) -> Draft:
    variant = "infinity" if a == oo else "point" if side == "+-" else "side"
    more = "" if side == "+-" else f", '{side}'"
    code = solution(rng, [x], f, (f"limit({{f}}, {x}, {text(a)}{more})",) * 2 + (
        f"{{f}}.limit({x}, {text(a)}{more})",))  # fmt: skip
    name = {"+": "right", "-": "left", "+-": "both"}[side]
    question = ask(variant, f=f, x=x, a=a, side=name)
    given = {"function": text(f), "variable": str(x), "point": text(a), "direction": side}
    expected = Expected(Kind.LIMIT, text(value), given)
    return Draft(question, code, expected, f"limit: {skeleton(f)}")


FAMILY = Family("limits", PHRASINGS, draw)
