"""Definite integrals over short intervals, and convergent ones over a half line."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import sympy
from sympy import Integer, Symbol, oo, pi

from calcgen_ray.corpus.families.drafts import Draft, Family, ask
from calcgen_ray.corpus.families.functions import draw_variable, integer, is_finite, nodes, require
from calcgen_ray.corpus.families.integrands import TRIG, Integrand, draw_integrand
from calcgen_ray.corpus.families.rendering import solution, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.families.values import is_real, values
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "proper": (
        "Integrate {f} from {x} = {a} to {x} = {b}.",
        "Evaluate the definite integral of {f} from {a} to {b}.",
        "Compute the integral of {f} over [{a}, {b}].",
        "Find the signed area under y = {f} between {x} = {a} and {x} = {b}.",
        "Let f({x}) = {f}. Integrate f over the interval [{a}, {b}].",
        "What is the integral of {f} d{x} with limits {a} and {b}?",
        "Calculate the exact value of the integral of {f} on [{a}, {b}].",
        "Given the rate f({x}) = {f}, find the total change from {a} to {b}.",
        "Use SymPy to integrate {f} between {a} and {b}.",
    ),
    "improper": (
        "Evaluate the improper integral of {f} from {a} to infinity.",
        "Integrate {f} over [{a}, infinity).",
        "Compute the integral of {f} from {x} = {a} to {x} = oo.",
        "Find the total area under y = {f} for {x} >= {a}.",
    ),
}
ENDS = (Integer(-2), Integer(-1), Integer(0), Integer(1), Integer(2), Integer(3), Integer(4))
NODES_AND_WEIGHTS = np.polynomial.legendre.leggauss(40)


def quadrature(f: Any, x: Symbol, low: float, high: float) -> float:
    """The integral of a smooth function by 40 Gauss points."""
    points, weights = NODES_AND_WEIGHTS
    half = (high - low) / 2
    return float(half * (weights @ values(f, x, low + half * (points + 1)).real))


def draw_ends(rng: Random, f: Any) -> tuple[Any, Any]:
    """Two small integers in order, or multiples of pi for trigonometric integrands."""
    if f.has(*TRIG) and rng.random() < 0.5:
        return Integer(0), rng.choice([pi / 4, pi / 2, pi, 2 * pi])
    low, high = sorted(rng.sample(ENDS, 2))
    return low, high


def finish(rng: Random, variant: str, f: Any, x: Symbol, ends: Any, value: Any, made: str) -> Draft:
    low, high = ends
    calls = (f"integrate({{f}}, ({x}, {text(low)}, {text(high)}))",)
    code = solution(rng, [x], f, calls)
    question = ask(variant, f=f, x=x, a=low, b=high)
    given = {
        "integrand": text(f), "variable": str(x), "low": text(low), "high": text(high),
        "made": made,
    }  # fmt: skip
    expected = Expected(Kind.EXPRESSION, text(value), given)
    return Draft(question, code, expected, f"integral: {skeleton(f)}")


def draw_proper(rng: Random, x: Symbol, made: Integrand) -> Draft:
    """An interval on which the function and its antiderivative are smooth; Gauss points agree."""
    f, whole = made.function, made.antiderivative
    low, high = draw_ends(rng, f)
    a, b = float(low), float(high)
    require(is_real(f, x, a, b, 1e5) and is_real(whole, x, a, b))
    value = sympy.expand(whole.subs(x, high) - whole.subs(x, low))
    require(is_finite(value) and nodes(value) <= 30)
    by_points = quadrature(f, x, a, b)
    require(bool(abs(complex(value) - by_points) <= 1e-7 * (1 + abs(by_points))))
    own = sympy.integrate(f, (x, low, high))
    require(not own.has(sympy.Integral, sympy.Piecewise) and is_finite(own))
    require(bool(abs(complex(own) - by_points) <= 1e-7 * (1 + abs(by_points))))
    return finish(rng, "proper", f, x, (low, high), value, made.made)


def draw_improper(rng: Random, x: Symbol) -> Draft:
    """Polynomial times exp(-a x), times a sine or not, or a fraction like 1/(x^2 + a^2).

    Values: the antiderivative, which SymPy knows for each of these forms, at both ends.
    """
    a, n = integer(rng, 1, 5), rng.randint(0, 3)
    low = Integer(rng.choice([0, 0, 1, 2]))
    wave = rng.choice([sympy.sin, sympy.cos])
    f = rng.choice(
        [
            (x**n + integer(rng, 1, 9) * x ** rng.randint(0, 1)) * sympy.exp(-a * x),
            wave(integer(rng, 1, 4) * x) * sympy.exp(-a * x),
            integer(rng, 1, 9) / (x**2 + a**2),
            integer(rng, 1, 9) / (x + a) ** rng.randint(2, 5),
            x**n * sympy.exp(-x / a),
            x / (x**2 + a) ** rng.randint(2, 4),
            x * sympy.exp(-a * x**2),
            sympy.exp(-a * x) / (1 + sympy.exp(-a * x)),
        ]
    )
    # From 1 on SymPy spends minutes on a sine times an exponential, and answers at once from 0.
    low = Integer(0) if f.has(*TRIG) else low
    value = sympy.integrate(f, (x, low, oo))
    require(is_finite(value) and not value.has(sympy.Integral, sympy.Piecewise))
    short = quadrature(f.subs(x, x / (1 - x)) / (1 - x) ** 2, x, float(low / (1 + low)), 1.0)
    require(bool(abs(complex(value) - short) <= 1e-5 * (1 + abs(short))))
    return finish(rng, "improper", f, x, (low, oo), value, "forward")


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """Integrands as for indefinite integrals; one in ten of the hard ones is improper."""
    x = draw_variable(rng)
    if difficulty == "hard" and rng.random() < 0.1:
        return draw_improper(rng, x)
    return draw_proper(rng, x, draw_integrand(rng, difficulty, shape, x))


FAMILY = Family("definite_integrals", PHRASINGS, draw)
