"""A labelled set of answers, equal and different by construction, over all kinds.

Equal ones are rewritten by identities or moved by a constant of integration; different ones have
one coefficient, sign, function, exponent or limit changed. SymPy's own evalf checks each label at
points, by none of the judge's code: a change that happens to change nothing is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import sympy as sp

from calcgen_ray.judge.walk import encode
from calcgen_ray.problem import Expected, Kind
from tests.golden.mutants import (
    C1,
    C2,
    C,
    is_other,
    is_same,
    mutants,
    x,
    y,
)

f = sp.Function("f")


@dataclass(frozen=True)
class Pair:
    """An expected answer, the tree of another, whether they are equal, and what was done."""

    expected: Expected
    tree: Any
    equal: bool
    made: str


FUNCTIONS = [
    sp.sin(x) * sp.cos(x), sp.sin(x) ** 2 - sp.cos(x) ** 2, sp.tan(x) ** 2 + 1,
    sp.sin(3 * x) + sp.cos(2 * x), sp.exp(2 * x) + sp.exp(-x), sp.exp(x) * (x**2 + 3 * x + 1),
    sp.log(x**2 + 1) * x, sp.log(3 * x) + sp.log(x + 2), x * sp.log(x) - 2 * x,
    (x + 1) ** 3 * (x - 2), (x**2 - 1) / (x + 3), (2 * x + 1) / (x**2 + x + 1) + 1 / x,
    sp.sqrt(x + 1) * (x - 3), sp.sqrt(x**2 + 4) / x, x / sp.sqrt(1 - x**2),
    sp.atan(x) * x, sp.asin(x / 8) + x**2, sp.atan(2 * x) - 3 * x / (4 * x**2 + 1),
    sp.exp(-(x**2)) * (1 - 2 * x**2), sp.exp(sp.sin(x)) * sp.cos(x),
    sp.sinh(x) * 2 + sp.cosh(x), x**5 - 3 * x**3 + sp.Rational(2, 7) * x,
    (x * sp.cos(x) - sp.sin(x)) / x**2, sp.log(sp.sqrt(x)) + sp.sqrt(x), x**x,
    sp.sin(x**2) * x, sp.exp(x) / (1 + sp.exp(x)), 2**x * x, sp.Abs(x - 1) + x,
    x**2 * y + sp.sin(x * y), sp.exp(x * y) * (x - 2 * y), sp.log(x**2 + y**2),
]  # fmt: skip
REWRITES: dict[str, Callable[[Any], Any]] = {
    "expand": sp.expand,
    "factor": sp.factor,
    "together": sp.together,
    "trig": lambda e: sp.expand(e, trig=True),
    "half angle": lambda e: e.rewrite(sp.tan) if not e.has(sp.Abs) else e,
    "exponentials": lambda e: e.rewrite(sp.exp) if not e.has(sp.Abs, sp.tan) else e,
    "logs": lambda e: sp.expand_log(e, force=True),
    "one log": lambda e: sp.logcombine(e, force=True),
    "simplify": sp.simplify,
    "roots": lambda e: e.replace(sp.sin, lambda a: sp.cos(a - sp.pi / 2)),
    "added": lambda e: sp.expand((e + x) * (1 + x**2)) / (1 + x**2) - x,
    "floats": lambda e: sp.N(e, 15),
}


def text(value: Any) -> str:
    return str(sp.sstr(value))


def expressions(rng: Random) -> Iterator[Pair]:
    for expr in FUNCTIONS:
        expected = Expected(Kind.EXPRESSION, text(expr), {})
        for made, way in REWRITES.items():
            other = way(expr)
            if other != expr and is_same(expr, other):
                yield Pair(expected, encode(other), True, made)
        for made, other in mutants(expr, rng):
            if is_other(expr, other):
                yield Pair(expected, encode(other), False, made)


INTEGRALS = [
    1 / x, x * sp.exp(x), sp.sin(x) ** 2, sp.cos(x) * sp.sin(x), 1 / (x**2 - 1), sp.log(x),
    x**3 - 2 * x, 1 / (1 + x**2), sp.exp(x) * sp.sin(x), sp.sqrt(x) + 1 / sp.sqrt(x), sp.tan(x),
    1 / sp.sqrt(1 - x**2), x / (x**2 + 4), sp.exp(-(x**2)), sp.sin(x) / x, (x + 1) / (x**2 + 2 * x),
    x**2 * sp.log(x), 1 / (x * (x + 1)), sp.sec(x) ** 2, x * sp.cos(3 * x),
]  # fmt: skip


def antiderivatives(rng: Random) -> Iterator[Pair]:
    for integrand in INTEGRALS:
        whole = sp.integrate(integrand, x)
        given = {"integrand": text(integrand), "variable": "x"}
        expected = Expected(Kind.ANTIDERIVATIVE, text(whole), given)
        absolute = whole.replace(sp.log, lambda a: sp.log(sp.Abs(a)) if a != x else sp.log(a))
        for made, other in [
            ("constant", whole + 7), ("symbol", whole + C), ("expanded", sp.expand(whole + 1)),
            ("absolute", whole.replace(sp.log, lambda a: sp.log(sp.Abs(a)))),
            ("mixed", absolute + sp.pi), ("simplified", sp.simplify(whole) - sp.sqrt(2)),
            ("pieces", sp.Piecewise((whole, x > 0), (whole + 3, True))),
        ]:  # fmt: skip
            if made == "absolute" and is_other(sp.diff(whole, x), integrand):
                continue
            yield Pair(expected, encode(other), True, made)
        yield Pair(expected, encode(sp.Integral(integrand, x)), False, "unevaluated")
        yield Pair(expected, encode(integrand), False, "integrand")
        yield Pair(expected, encode(sp.nan), False, "nan")
        for made, other in mutants(whole, rng):
            if is_other(sp.diff(other, x), integrand):
                yield Pair(expected, encode(other), False, made)


NUMBERS = [
    (sp.log(8), 3 * sp.log(2)), (sp.sqrt(3 + 2 * sp.sqrt(2)), 1 + sp.sqrt(2)),
    (sp.sin(1) ** 2, (1 - sp.cos(2)) / 2), (sp.atan(1) * 4, sp.pi), (sp.exp(2), sp.E**2),
    (sp.Rational(1, 3), 1 / sp.Integer(3)), (sp.sqrt(12), 2 * sp.sqrt(3)),
    (sp.asinh(1), sp.log(1 + sp.sqrt(2))), (sp.cos(sp.pi / 5), (1 + sp.sqrt(5)) / 4),
    (sp.log(2) - sp.log(6), -sp.log(3)),
    (sp.erf(1) * sp.sqrt(sp.pi), sp.N(sp.erf(1) * sp.sqrt(sp.pi))),
]  # fmt: skip


def numbers() -> Iterator[Pair]:
    for kind in (Kind.EXPRESSION, Kind.LIMIT):
        for one, other in NUMBERS:
            expected = Expected(kind, text(one), {})
            yield Pair(expected, encode(other), True, "identity")
            yield Pair(expected, encode(float(one)), True, "float")
            yield Pair(expected, encode(other + sp.Rational(1, 10**5)), False, "offset")
            yield Pair(expected, encode(-other), False, "sign")
    oo = Expected(Kind.LIMIT, "oo", {})
    yield Pair(oo, encode(sp.oo), True, "infinity")
    yield Pair(oo, encode(float("inf")), True, "infinity")
    for other in (-sp.oo, sp.zoo, sp.nan, sp.Integer(10) ** 30, sp.AccumBounds(-1, 1)):
        yield Pair(oo, encode(other), False, "infinity")
    for one in (0.45448600241, 1234.5678, -2.5e-3):
        expected = Expected(Kind.NUMBER, json.dumps(one), {"rtol": "1e-06"})
        for other in (one, np.float64(one * (1 + 2e-7)), sp.Float(one), np.array([one]), str(one)):
            yield Pair(expected, encode(other), True, "number")
        for other in (one * 1.0001, -one, one + 0.01, [one, one], "many", float("nan"), None):
            yield Pair(expected, encode(other), False, "number")
        array = Expected(Kind.ARRAY, json.dumps([one, 1.0, 0.0]), {"rtol": "1e-06"})
        for other in (np.array([one, 1, 0]), [one, 1.0, 1e-16], np.array([[one], [1], [0]])):
            yield Pair(array, encode(other), True, "array")
        for other in ([one, 1.0], [one, 1.0, 0.1], [1.0, one, 0.0], np.full(3, np.nan)):
            yield Pair(array, encode(other), False, "array")


def series() -> Iterator[Pair]:
    for expr, place in [
        (sp.sin(x), 0), (sp.exp(x), 0), (sp.log(1 + x), 0), (sp.cos(2 * x), 0), (1 / (1 - x), 0),
        (sp.exp(x), 1), (sp.sqrt(x), 1), (sp.log(x), 2),
    ]:  # fmt: skip
        whole = sp.series(expr, x, place, 4)
        expected = Expected(Kind.SERIES, text(whole), {"variable": "x", "point": str(place)})
        order = whole.getO()
        rest = whole.removeO()
        yield Pair(expected, encode(whole), True, "same")
        yield Pair(expected, encode(sp.Add(sp.expand(rest), order)), True, "expanded")
        yield Pair(expected, encode(rest), False, "no O term")
        yield Pair(expected, encode(sp.series(expr, x, place, 6)), False, "other order")
        yield Pair(expected, encode(-rest + order), False, "sign")
        yield Pair(expected, encode(rest + (x - place) ** 2 / 7 + order), False, "coefficient")
        yield Pair(expected, encode(expr + order) if place else encode(expr), False, "question")


def sets() -> Iterator[Pair]:
    for values in ([1, 2], [0], [-3, sp.sqrt(2)], [sp.Rational(1, 2), 3, -4]):
        points = [sp.sympify(v) for v in values]
        expected = Expected(Kind.SOLUTION_SET, text(sp.FiniteSet(*points)), {"variable": "x"})
        floats = [float(p) for p in points]
        for other in (
            points, points[::-1], points + points[:1], tuple(points), set(points), floats,
            sp.FiniteSet(*points), [{x: p} for p in points], np.array(floats),
            [sp.Eq(x, p) for p in points], [(p,) for p in points], sp.Matrix(points),
        ):  # fmt: skip
            yield Pair(expected, encode(other), True, "form")
        for other in (
            points[1:], [*points, 7], [points[0] + 1, *points[1:]], [-p - 9 for p in points],
            [], sp.S.Reals, "points", [p + sp.I for p in points], None,
        ):  # fmt: skip
            yield Pair(expected, encode(other), False, "other")
    pairs = [(sp.Integer(1), sp.Rational(-2, 3)), (sp.Integer(0), sp.Integer(4))]
    expected = Expected(Kind.SOLUTION_SET, text(sp.FiniteSet(*pairs)), {"variable": "x,y"})
    good: list[Any] = [
        pairs, set(pairs), sp.FiniteSet(*pairs), [{x: a, y: b} for a, b in pairs],
        [{y: b, x: a} for a, b in pairs], [list(p) for p in pairs],
    ]  # fmt: skip
    for other in good:
        yield Pair(expected, encode(other), True, "pairs")
    for other in (pairs[:1], [(b, a) for a, b in pairs], [{x: 1}], [1, 0], [pairs[0], (0, 5)]):
        yield Pair(expected, encode(other), False, "pairs")


def odes() -> Iterator[Pair]:
    D = sp.Derivative(f(x), x)
    D2 = sp.Derivative(f(x), (x, 2))
    for equation, good, bad in [
        (sp.Eq(D, 2 * f(x)), [C1 * sp.exp(2 * x), C * sp.exp(2 * x + 1), -5 * C1 * sp.exp(x) ** 2,
                              (C1 + C2) * sp.exp(2 * x)],
         [sp.exp(2 * x), C1 * sp.exp(-2 * x), C1 + sp.exp(2 * x), C1 * sp.exp(2 * x) + x]),
        (sp.Eq(D + f(x), x), [x - 1 + C1 * sp.exp(-x), sp.exp(-x) * (C1 + (x - 1) * sp.exp(x))],
         [x - 1, x + C1 * sp.exp(-x), C1 * (x - 1) + sp.exp(-x)]),
        (sp.Eq(D2 + 4 * f(x), 0),
         [C1 * sp.sin(2 * x) + C2 * sp.cos(2 * x), C1 * sp.sin(2 * x + C2),
          C1 * sp.cos(x) ** 2 - C1 / 2 + C2 * sp.sin(x) * sp.cos(x)],
         [C1 * sp.sin(2 * x), C1 * sp.sin(2 * x) + C1 * sp.cos(2 * x), (C1 + C2) * sp.sin(2 * x),
          C1 * sp.sin(x) + C2 * sp.cos(x)]),
        (sp.Eq(D, x * f(x) ** 2), [-2 / (C1 + x**2), 1 / (C1 - x**2 / 2)],
         [2 / (C1 + x**2), -2 / (C1 + x), sp.Integer(0)]),
    ]:  # fmt: skip
        given = {"equation": text(equation), "function": "f", "variable": "x"}
        expected = Expected(Kind.ODE, text(sp.Eq(f(x), good[0])), given)
        for other in good:
            yield Pair(expected, encode(sp.Eq(f(x), other)), True, "solution")
            yield Pair(expected, encode(other), True, "right side")
            yield Pair(expected, encode([sp.Eq(f(x), other)]), True, "list")
        for other in bad:
            yield Pair(expected, encode(sp.Eq(f(x), other)), False, "no solution")
        yield Pair(expected, encode(equation), False, "question")
        yield Pair(expected, encode(f(x)), False, "function")
    given = {"equation": text(sp.Eq(D2, -f(x))), "function": "f", "variable": "x",
             "conditions": "f(0) = 2 and f'(0) = -1"}  # fmt: skip
    expected = Expected(Kind.ODE, "Eq(f(x), 2*cos(x) - sin(x))", given)
    yield Pair(expected, encode(sp.Eq(f(x), 2 * sp.cos(x) - sp.sin(x))), True, "initial")
    yield Pair(expected, encode(2 * sp.cos(x) + sp.cos(x + sp.pi / 2)), True, "initial")
    for other in (2 * sp.cos(x), 2 * sp.cos(x) + sp.sin(x), 2 * sp.cos(x) + C1 * sp.sin(x)):
        yield Pair(expected, encode(sp.Eq(f(x), other)), False, "initial")


def plots() -> Iterator[Pair]:
    given = {"function": "sin(x)*x", "variable": "x", "low": "0", "high": "5", "result": "axes"}

    def line(*curves: tuple[Any, Any]) -> Any:
        return {"lines": [{"x": list(map(float, a)), "y": list(map(float, b))} for a, b in curves]}

    def curve(low: float = 0, high: float = 5, points: int = 200) -> Any:
        a = np.linspace(low, high, points)
        return a, a * np.sin(a)

    expected = Expected(Kind.PLOT, "sin(x)*x", given)
    a, b = curve()
    for other in (line(curve()), line(curve(points=1001)), line((a, a), (a, b)),
                  line(curve(0, 4.9)),
                  line((a[::-1], b[::-1])), encode(b), encode(list(b))):  # fmt: skip
        yield Pair(expected, other, True, "plot")
    for other in (line((a, b + 0.01)), line((a, -b)), line((a, a)), line(curve(0, 3)),
                  {"lines": []}, line((a, np.where(a == a[9], 9, b))),
                  line(curve(-5, 5)), line(curve(points=4)), encode(b * 1.01),
                  line((a, a * np.nan)),
                  line((a, a * np.cos(a))), {"none": True}, encode("plot")):  # fmt: skip
        yield Pair(expected, other, False, "plot")
    both = Expected(Kind.PLOT, "sin(x)*x", {**given, "second": "x*cos(x) + sin(x)"})
    slope = a * np.cos(a) + np.sin(a)
    yield Pair(both, line((a, b), (a, slope)), True, "second")
    yield Pair(both, line((a, b), (a, np.gradient(b, a))), True, "second")
    yield Pair(both, line((a, b)), False, "second")
    yield Pair(both, line((a, b), (a, slope * 1.02)), False, "second")
    yield Pair(both, line((a, slope)), False, "second")


def forms() -> Iterator[Pair]:
    e = sp.expand((x + 1) ** 2 * (x - 3))
    r = (x**2 - 1) / (x**2 + 3 * x + 2)
    rows: list[tuple[str, Any, list[Any], list[Any]]] = [
        ("expand", (x + 1) ** 2 * (x - 3), [e],
         [sp.factor(e), (x + 1) * sp.expand((x + 1) * (x - 3)), e + 1]),
        ("factor", e, [sp.factor(e), (x - 3) * (-x - 1) ** 2, (2 * x + 2) * (x + 1) * (x - 3) / 2],
         [e, (x + 1) * sp.expand((x + 1) * (x - 3)), sp.factor(e) * 2]),
        ("factor", 2 * x + 4, [sp.factor(2 * x + 4)], [2 * x + 4]),
        ("cancel", r, [(x - 1) / (x + 2), 1 - 3 / (x + 2)],
         [r, sp.factor(x**2 - 1) / (x**2 + 3 * x + 2)]),
        ("together", 1 / x + 1 / (x + 1), [(2 * x + 1) / (x * (x + 1)), (2 * x + 1) / (x**2 + x)],
         [1 / x + 1 / (x + 1), 1 / x + 1 / (x + 2)]),
        ("apart", 1 / (x**2 - 1), [sp.apart(1 / (x**2 - 1))],
         [1 / (x**2 - 1), 1 / ((x - 1) * (x + 1))]),
        ("simplify", sp.sin(x) ** 2 * x + x * sp.cos(x) ** 2 + 1, [x + 1],
         [sp.sin(x) ** 2 * x + x * sp.cos(x) ** 2 + 1, x]),
    ]  # fmt: skip
    for operation, question, good, bad in rows:
        given = {"operation": operation, "function": text(question), "variable": "x"}
        expected = Expected(Kind.EXPRESSION, text(good[0]), given)
        for other in good:
            yield Pair(expected, encode(other), True, operation)
        for other in bad:
            yield Pair(expected, encode(other), False, operation)


def pairs() -> list[Pair]:
    """The whole set, the same every time."""
    rng = Random(20)
    return [
        *expressions(rng), *antiderivatives(rng), *numbers(), *series(), *sets(), *odes(),
        *plots(), *forms(),
    ]  # fmt: skip
