"""Taylor and Maclaurin series, with their O term, and Taylor polynomials without."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import sympy
from sympy import Integer, Symbol

from calcgen_ray.corpus.families.drafts import Draft, Family, ask
from calcgen_ray.corpus.families.functions import (
    NODES,
    draw_function,
    draw_variable,
    insist,
    is_elementary,
    nodes,
    require,
)
from calcgen_ray.corpus.families.gentleness import is_gentle
from calcgen_ray.corpus.families.rendering import solution, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.families.values import values
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "maclaurin": (
        "Expand {f} in a Maclaurin series up to O({x}^{n}).",
        "Find the series of {f} at {x} = 0 up to order {n}.",
        "Compute the power series of {f} around 0, terms below {x}^{n}.",
        "Write f({x}) = {f} as a series in {x} with error O({x}^{n}).",
        "Give the Maclaurin expansion of {f} to order {n}.",
        "Let f({x}) = {f}. Expand f about zero with n = {n}.",
        "Use SymPy to get the series of {f} to O({x}^{n}).",
        "Approximate {f} near 0 by its power series up to O({x}^{n}).",
    ),
    "taylor": (
        "Expand {f} in a Taylor series around {x} = {a} up to order {n}.",
        "Find the Taylor series of {f} about {x} = {a}, order {n}.",
        "Compute the series of f({x}) = {f} at the point {a} with n = {n}.",
        "Write {f} as a series in powers of {x} - {a}, to order {n}.",
    ),
    "polynomial": (
        "Find the Taylor polynomial of {f} of degree {m} at {x} = {a}.",
        "Compute the degree {m} Taylor polynomial of f({x}) = {f} about {a}.",
        "Approximate {f} by a polynomial of degree {m} near {x} = {a}.",
        "Expand {f} around {x} = {a} to degree {m} and drop the O term.",
    ),
}
ORDERS: dict[Difficulty, tuple[int, int]] = {"easy": (3, 4), "medium": (4, 6), "hard": (4, 6)}
MOST = {"easy": 2, "medium": 3, "hard": 4}


def require_smooth(f: Any, x: Symbol, a: float) -> None:
    """Raises Reject unless it is real and tame within 0.2 of a."""
    around = values(f, x, a + np.linspace(-0.2, 0.2, 9))
    require(bool(np.isfinite(around).all() and np.abs(around.imag).max() < 1e-12))
    require(bool(np.abs(around).max() < 1e3))


def follows(f: Any, polynomial: Any, x: Symbol, a: float, order: int) -> bool:
    """Whether the error falls as h^order where h is halved, or is nothing already."""
    steps = np.array([0.04, 0.02, -0.04, -0.02])
    gap = np.abs(values(f, x, a + steps) - values(polynomial, x, a + steps))
    falls = gap[[1, 3]] <= gap[[0, 2]] * 0.5**order * 2.0
    return bool((falls | (gap[[1, 3]] < 1e-12)).all())


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """Orders rise with the difficulty; hard ones are about other points half of the time."""
    return insist(lambda: draw_once(rng, difficulty, shape))


def draw_once(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    x = draw_variable(rng)
    n = rng.randint(*ORDERS[difficulty])
    others = {"easy": 0.0, "medium": 0.25, "hard": 0.5}[difficulty]
    a = Integer(rng.randint(1, 3) if rng.random() < others else 0)
    f = draw_function(rng, shape.size(rng, difficulty, MOST[difficulty]), shape, [x])
    require(not f.is_polynomial(x) and nodes(f) <= 20 and is_gentle(f, x))
    require_smooth(f, x, float(a))
    own = sympy.series(f, x, a, n)
    polynomial = own.removeO()
    require(own.has(sympy.Order) and is_elementary(polynomial) and nodes(own) <= NODES + 20)
    require(polynomial.has(x) and follows(f, polynomial, x, float(a), n))
    bare = difficulty != "easy" and rng.random() < 0.25
    return finish(rng, f, x, a, n, polynomial if bare else own)


def finish(rng: Random, f: Any, x: Symbol, a: Any, n: int, value: Any) -> Draft:
    bare = not value.has(sympy.Order)
    variant = "polynomial" if bare else "taylor" if a else "maclaurin"
    tail = ".removeO()" if bare else ""
    calls = (f"series({{f}}, {x}, {a}, {n}){tail}", f"{{f}}.series({x}, {a}, {n}){tail}")
    code = solution(rng, [x], f, calls)
    fields = {"n": str(n), "m": str(n - 1), "a": str(a)}
    question = ask(variant, f=f, x=x, **fields)
    given = {"function": text(f), "variable": str(x), "point": text(a), "order": str(n)}
    expected = Expected(Kind.EXPRESSION if bare else Kind.SERIES, text(value), given)
    return Draft(question, code, expected, f"series: {skeleton(f)}")


FAMILY = Family("series", PHRASINGS, draw)
