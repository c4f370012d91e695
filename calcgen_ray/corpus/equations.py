"""Differential equations to be asked about and never solved: so their terms may be any."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import sympy
from sympy import Function, Integer, Symbol

from calcgen_ray.corpus.broad import LETTERS, draw_expression, is_written
from calcgen_ray.corpus.families import Shape
from calcgen_ray.corpus.families.drafts import Question, ask
from calcgen_ray.corpus.families.functions import draw_function, insist, integer, require
from calcgen_ray.corpus.families.odes import Equation, code_of, ordered, prime, said
from calcgen_ray.corpus.families.rendering import text
from calcgen_ray.corpus.families.skeletons import skeleton

NAMES = (*["f", "y"] * 4, "u", "w", "g", "h", "x", "v", "z", "p", "q", "T", "N", "phi")
VARIABLES = (*["x"] * 5, *["t"] * 4, "s", "z", "r", "u", "theta")
INITIAL = 0.3
"""Share of the equations with values at a point."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An equation as a question, the code that solves it, and its skeleton."""

    question: Question
    code: str
    skeleton: str


def draw_equation(rng: Random, shape: Shape) -> Asked:
    """A differential equation of first or second order in one of the usual notations.

    Raises:
        Reject: the draw is no good equation.
    """
    name, letter = rng.choice(NAMES), rng.choice(VARIABLES)
    require(name != letter)
    x, y = Symbol(letter), Function(name)(Symbol(letter))
    left, right = _arranged(rng, *rng.choice(FORMS)(rng, shape, x, y))
    require(left.has(sympy.Derivative) and is_written(left.replace(y.func, sympy.sin)))
    require(not any(s.name == name for s in (left - right).free_symbols))
    conditions = _conditions(rng, left, x, y) if rng.random() < INITIAL else {}
    words = {"eq": _words(rng, left, right, x, y), "y": name, "x": letter}
    code = code_of(rng, Equation(left, right, None), x, y, conditions)
    form = skeleton((left - right).subs(y, Function("f")(x)).doit())
    if conditions:
        return Asked(ask("initial", **words, at=said(conditions, name)), code, form)
    return Asked(ask("general", **words), code, form)


def constant(rng: Random, shape: Shape, x: Symbol, y: Any) -> tuple[Any, Any]:
    """a y'' + b y' + c y = 0, a number or a function of x; letters among the coefficients."""
    letter = Symbol(rng.choice([one for one in LETTERS if one != x.name]))
    numbers = [rng.choice((Integer(0), integer(rng, -9, 9), integer(rng, 1, 30))) for _ in "abc"]
    if rng.random() < 0.2:
        numbers[rng.randrange(3)] = rng.choice((letter, letter**2, -letter))
    terms = zip(numbers, (y.diff(x, 2), y.diff(x), y), strict=True)
    return sum(n * term for n, term in terms), _right(rng, shape, x)


def variable(rng: Random, shape: Shape, x: Symbol, y: Any) -> tuple[Any, Any]:
    """p(x) y'' + q(x) y' + r(x) y, with powers of x or small functions as coefficients."""

    def coefficient() -> Any:
        if rng.random() < 0.3:
            return insist(lambda: draw_function(rng, rng.randint(1, 2), shape, [x]))
        return integer(rng, -6, 6) * x ** rng.randint(0, 3)

    terms = rng.sample((y.diff(x, 2), y.diff(x), y, y.diff(x)), rng.randint(2, 3))
    return sum(coefficient() * term for term in terms), _right(rng, shape, x)


def first(rng: Random, shape: Shape, x: Symbol, y: Any) -> tuple[Any, Any]:
    """y' = g(x, y), in any expression of the two."""
    inner = Symbol("inner")
    g = insist(lambda: draw_function(rng, rng.randint(1, 5), shape, rng.choice(([x, inner], [x]))))
    return y.diff(x), g.subs(inner, y)


def mixed(rng: Random, shape: Shape, x: Symbol, y: Any) -> tuple[Any, Any]:
    """Any expression of x, y and a derivative of y."""
    inner, slope = Symbol("inner"), Symbol("slope")
    g = insist(lambda: draw_function(rng, rng.randint(2, 5), shape, [x, inner, slope]))
    g = g.subs({inner: y, slope: y.diff(x, rng.choice((1, 1, 2)))})
    if rng.random() < 0.3:
        g += y.diff(x, rng.choice((1, 2)))
    return g, _right(rng, shape, x)


FORMS: tuple[Callable[..., tuple[Any, Any]], ...] = (
    constant, constant, constant, variable, variable, first, first, mixed,
)  # fmt: skip


def _right(rng: Random, shape: Shape, x: Symbol) -> Any:
    roll = rng.random()
    if roll < 0.5:
        return Integer(0)
    if roll < 0.6:
        return integer(rng, -20, 20)
    return draw_expression(rng, x, shape, 0)


def _arranged(rng: Random, left: Any, right: Any) -> tuple[Any, Any]:
    """The same equation, now and then with all terms on the left, or some on the right."""
    left, roll = sympy.sympify(left), rng.random()
    if roll < 0.2:
        return left - right, Integer(0)
    terms = left.as_ordered_terms()
    if roll < 0.5 and len(terms) > 1:
        kept = rng.sample(terms, rng.randint(1, len(terms) - 1))
        moved = sympy.Add(*(term for term in terms if term not in kept))
        if sympy.Add(*kept).has(sympy.Derivative):
            return sympy.Add(*kept), right - moved
    return left, right


def _words(rng: Random, left: Any, right: Any, x: Symbol, y: Any) -> str:
    """The equation in writing: y'' + y, y''(x) + y(x) or d^2y/dx^2 + y."""
    name, short = y.func.__name__, rng.random() < 0.4
    sides = [ordered(left, text) if rng.random() < 0.5 else text(left), text(right)]
    written = " = ".join(prime(side, y, x, short) for side in sides)
    if short and rng.random() < 0.3:
        written = written.replace(f"{name}''", f"d^2{name}/d{x}^2")
        written = re.sub(rf"\b{name}'", f"d{name}/d{x}", written)
    return written.replace("**", "^") if rng.random() < 0.3 else written


def _conditions(rng: Random, left: Any, x: Symbol, y: Any) -> dict[Any, Any]:
    """A value at a point, and the slope there for an equation of second order."""
    a = Integer(rng.choice((0, 0, 0, 1, 2, -1)))
    found = {y.subs(x, a): Integer(rng.randint(-9, 9))}
    if any(d.derivative_count == 2 for d in left.atoms(sympy.Derivative)):
        found[y.diff(x).subs(x, a)] = Integer(rng.randint(-9, 9))
    return found
