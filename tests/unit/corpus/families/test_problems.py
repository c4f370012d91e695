"""Reference code is run, and its result held against mathematics done another way.

The oracles use mpmath's quadrature, differentiation and Taylor coefficients, or residuals, on the
function in the problem; none of them looks at how the family found its answer.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from typing import Any

import matplotlib
import mpmath
import numpy as np
import pytest
import sympy
from sympy import Symbol, sympify

from calcgen_ray.corpus.families import FAMILIES, make_problem
from calcgen_ray.problem import DIFFICULTIES, Difficulty, Kind, Problem

matplotlib.use("Agg")
EACH = 6
POINTS = (-2.3, -0.7, 0.31, 0.57, 0.83, 1.41, 2.73, 4.19)


def run(problem: Problem) -> Any:
    """The value the reference code binds to `result`; checks that it prints it."""
    names: dict[str, Any] = {}
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(problem.code, names)
    if problem.expected.kind is not Kind.PLOT:
        assert out.getvalue().strip() == str(names["result"])
    return names["result"]


def callable_of(text: Any, *variables: str) -> Callable[..., Any]:
    return sympy.lambdify([Symbol(v) for v in variables], sympify(text), "mpmath")


def real_values(f: Callable[..., Any], points: Any = POINTS) -> dict[float, Any]:
    """f at the points where it is real and finite."""
    found = {}
    for point in points:
        with contextlib.suppress(ZeroDivisionError, ValueError, OverflowError):
            value = mpmath.mpmathify(f(point))
            if mpmath.isfinite(value) and abs(mpmath.im(value)) < 1e-12:
                found[point] = mpmath.re(value)
    return found


def close(a: Any, b: Any, tolerance: float = 1e-8) -> bool:
    return bool(abs(mpmath.mpmathify(a) - mpmath.mpmathify(b)) <= tolerance * (1 + abs(b)))


def number(expr: Any) -> Any:
    return mpmath.mpmathify(sympy.N(sympify(expr), 20))


def same_function(left: Any, right: Any, variable: str) -> bool:
    a, b = (real_values(callable_of(side, variable)) for side in (left, right))
    both = a.keys() & b.keys()
    return len(both) >= 2 and all(close(a[p], b[p]) for p in both)


def check_derivative(problem: Problem, result: Any) -> None:
    given = problem.expected.given
    order = given["variable"].split(",")
    if "point" in given:
        f = callable_of(given["function"], order[0])
        assert close(number(result), mpmath.diff(f, float(given["point"])), 1e-6)
        return
    names = sorted(map(str, sympify(given["function"]).free_symbols))
    f, g = callable_of(given["function"], *names), callable_of(result, *names)
    degrees = tuple(order.count(name) * (int(given["order"]) // len(order)) for name in names)
    checked = 0
    for point in POINTS:
        place = tuple(point + 0.13 * i for i in range(len(names)))
        with contextlib.suppress(ZeroDivisionError, ValueError, OverflowError):
            if len(names) == 1:
                numeric = mpmath.diff(f, place[0], degrees[0])
            else:
                numeric = mpmath.diff(f, place, degrees)
            if abs(mpmath.im(f(*place))) > 1e-12 or abs(numeric) > 1e5:
                continue
            assert close(g(*place), numeric, 1e-4), point
            checked += 1
    assert checked >= 1


def check_integral(problem: Problem, result: Any) -> None:
    given = problem.expected.given
    x = Symbol(given["variable"])
    assert not result.has(sympy.Integral)
    for answer in (result, sympify(problem.expected.value)):
        assert same_function(sympy.diff(answer, x), given["integrand"], str(x))


def check_definite(problem: Problem, result: Any) -> None:
    given = problem.expected.given
    f = callable_of(given["integrand"], given["variable"])
    low = float(sympify(given["low"]))
    high = mpmath.inf if given["high"] == "oo" else float(sympify(given["high"]))
    area = mpmath.quad(f, [low, low + 1, high] if high == mpmath.inf else [low, high])
    assert close(number(result), area, 1e-7)
    assert close(number(problem.expected.value), area, 1e-7)


def check_limit(problem: Problem, result: Any) -> None:
    given = problem.expected.given
    f = callable_of(given["function"], given["variable"])
    with mpmath.workdps(80):
        step = mpmath.mpf(10) ** -14
        if given["point"] == "oo":
            near = f(1 / step) if "exp" not in given["function"] else f(mpmath.mpf(200))
        else:
            near = f(mpmath.mpf(given["point"]) + (-step if given["direction"] == "-" else step))
        near = mpmath.re(near)
        if result in (sympy.oo, -sympy.oo):
            assert near * (1 if result == sympy.oo else -1) > 20
        else:
            assert close(near, number(result), 1e-2 if "exp" in given["function"] else 1e-6)
    wanted = sympify(problem.expected.value)
    assert wanted == result or close(number(result), number(wanted))


def check_series(problem: Problem, result: Any) -> None:
    given = problem.expected.given
    x, a, n = Symbol(given["variable"]), sympify(given["point"]), int(given["order"])
    bare = problem.expected.kind is Kind.EXPRESSION
    assert bool(result.has(sympy.Order)) is not bare
    if not bare:
        assert result.getO() == sympy.Order((x - a) ** n, (x, a))
    f = callable_of(given["function"], str(x))
    with mpmath.workdps(40):
        wanted = mpmath.taylor(f, int(a), n - 1)
    for answer in (result, sympify(problem.expected.value)):
        shifted = sympy.Poly(sympy.expand(answer.removeO().subs(x, x + a)), x)
        for power, coefficient in enumerate(wanted):
            assert close(number(shifted.coeff_monomial(x**power)), coefficient, 1e-7)


def check_ode(problem: Problem, result: Any) -> None:
    given = problem.expected.given
    x, f = Symbol(given["variable"]), sympy.Function(given["function"])
    equation = sympify(given["equation"], locals={given["function"]: f})
    wanted = sympify(problem.expected.value, locals={given["function"]: f})
    second = equation.has(sympy.Derivative(f(x), (x, 2)))
    for answer in (result, wanted):
        assert answer.lhs == f(x)
        free = {s for s in answer.rhs.free_symbols if s != x}
        assert len(free) == (0 if "conditions" in given else 2 if second else 1)
        chosen = answer.rhs.subs(
            {s: sympy.Rational(3 + i, 5) for i, s in enumerate(sorted(free, key=str))}
        )
        residual = (equation.lhs - equation.rhs).subs(f(x), chosen).doit()
        found = real_values(callable_of(residual, str(x)))
        size = real_values(callable_of(chosen, str(x)))
        both = found.keys() & size.keys()
        assert len(both) >= 2
        assert all(abs(found[p]) < 1e-6 * (1 + abs(size[p])) * 100 for p in both)
    if "conditions" in given:
        assert same_function(result.rhs, wanted.rhs, str(x))
        assert given["conditions"].startswith(f"{given['function']}(0) = ")
        start = given["conditions"].split(" and ")[0].split(" = ")[1]
        assert close(number(result.rhs.subs(x, 0)), int(start))


def check_extremum(problem: Problem, result: Any) -> None:
    given = problem.expected.given
    names = given["variable"].split(",")
    f = callable_of(given["function"], *names)
    if problem.expected.kind is Kind.SOLUTION_SET:
        wanted = {tuple(p) if len(names) > 1 else p for p in sympify(problem.expected.value)}
        assert {tuple(p) if len(names) > 1 else p for p in result} == wanted
        for point in wanted:
            place = tuple(map(number, point if len(names) > 1 else (point,)))
            for axis in range(len(names)):
                step = [mpmath.mpf(axis == other) * 1e-5 for other in range(len(names))]
                up = f(*[p + s for p, s in zip(place, step, strict=True)])
                down = f(*[p - s for p, s in zip(place, step, strict=True)])
                assert abs(up - down) / 2e-5 < 1e-3 * (1 + abs(up))
        return
    assert close(number(result), number(problem.expected.value))
    sign = 1 if given["find"] == "max" else -1
    if "constraint" in given:
        y = Symbol(names[1])
        line = sympy.solve(sympify(given["constraint"]), y)[0]
        f = callable_of(sympify(given["function"]).subs(y, line), names[0])
        low, high = -30.0, 30.0
    else:
        low, high = float(given["low"]), float(given["high"])
    heights = [sign * mpmath.re(f(point)) for point in np.linspace(low, high, 3001)]
    best, claimed = max(heights), sign * number(result)
    assert best <= claimed + 1e-9 * (1 + abs(claimed))
    assert claimed - best <= 1e-2 * (1 + abs(claimed))


def check_expression(problem: Problem, result: Any) -> None:
    given, wanted = problem.expected.given, sympify(problem.expected.value)
    x = Symbol(given["variable"])
    if given["operation"] == "substitute":
        assert close(number(result), number(wanted))
        assert not wanted.free_symbols
        return
    assert same_function(result, wanted, str(x))
    if given["operation"] == "compose":
        return
    f = sympify(given["function"])
    assert same_function(f, wanted, str(x))
    if given["operation"] == "expand":
        assert result == sympy.expand(f)
    if given["operation"] in ("factor", "together", "cancel", "simplify"):
        assert result != f


def check_numeric(problem: Problem, result: Any) -> None:
    given = problem.expected.given
    wanted = np.array(json.loads(problem.expected.value))
    np.testing.assert_allclose(np.asarray(result), wanted, rtol=float(given["rtol"]), atol=1e-9)
    assert wanted.ndim == (problem.expected.kind is Kind.ARRAY)
    if given["method"] in ("euler", "root", "difference"):
        if given["method"] == "root":
            assert close(callable_of(given["function"], given["variable"])(result), 0, 1e-6)
        if given["method"] == "difference":
            slope = sympy.diff(sympify(given["function"]), Symbol(given["variable"]))
            exact = number(slope.subs(given["variable"], float(given["point"])))
            assert close(result, exact, 1e-2)
        return
    f, low, high = callable_of(given["function"], given["variable"]), given["low"], given["high"]
    edges = np.linspace(float(low), float(high), 30)
    area = float(mpmath.quad(f, list(edges)))
    size = max(abs(f(p)) for p in edges)
    if given["method"] in ("trapezoid", "midpoint", "mean"):
        width = float(high) - float(low) if given["method"] == "mean" else 1.0
        assert abs(float(result) - area / width) <= 0.05 * (1 + size) * (float(high) - float(low))
    if given["method"] == "maximum":
        assert float(result) >= max(f(p) for p in edges) - 0.05 * (1 + size)
    if given["method"] == "length":
        chord = mpmath.hypot(float(high) - float(low), f(float(high)) - f(float(low)))
        assert float(result) >= float(chord) - 1e-9


def check_plot(problem: Problem, result: Any) -> None:
    import matplotlib.pyplot as plt

    given = problem.expected.given
    low, high = float(given["low"]), float(given["high"])
    if given["result"] == "ydata":
        curves = [(np.linspace(low, high, len(result)), np.asarray(result))]
    else:
        curves = [line.get_data() for line in result.lines]
    wanted = [given["function"], *([given["second"]] if "second" in given else [])]
    assert len(curves) == len(wanted)
    for (xs, ys), text in zip(curves, wanted, strict=True):
        assert (xs[0], xs[-1]) == (low, high)
        f = sympy.lambdify(Symbol(given["variable"]), sympify(text), "numpy")
        exact = f(xs) + 0 * xs
        inner = slice(5, -5)
        # A derivative drawn by np.gradient is off by a step squared: compare by the whole curve.
        loose = "np.gradient" in problem.code and text == given.get("second")
        gap = np.abs(ys - exact)[inner]
        assert np.median(gap) <= (0.05 if loose else 1e-9) * (1 + np.abs(exact[inner]).max())
    plt.close("all")


CHECKS = {
    "derivatives": check_derivative,
    "integrals": check_integral,
    "definite_integrals": check_definite,
    "limits": check_limit,
    "series": check_series,
    "odes": check_ode,
    "extrema": check_extremum,
    "expressions": check_expression,
    "numerics": check_numeric,
    "plots": check_plot,
}
KINDS = {
    "derivatives": {Kind.EXPRESSION},
    "integrals": {Kind.ANTIDERIVATIVE},
    "definite_integrals": {Kind.EXPRESSION},
    "limits": {Kind.LIMIT},
    "series": {Kind.SERIES, Kind.EXPRESSION},
    "odes": {Kind.ODE},
    "extrema": {Kind.SOLUTION_SET, Kind.EXPRESSION},
    "expressions": {Kind.EXPRESSION},
    "numerics": {Kind.NUMBER, Kind.ARRAY},
    "plots": {Kind.PLOT},
}


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("family", FAMILIES)
def test_reference_code_is_right(family: str, difficulty: Difficulty) -> None:
    for index in range(EACH):
        problem = make_problem(family, difficulty, 17, index)
        assert (problem.family, problem.difficulty) == (family, difficulty)
        assert problem.expected.kind in KINDS[family]
        CHECKS[family](problem, run(problem))


@pytest.mark.parametrize("family", ["derivatives", "integrals", "definite_integrals", "series"])
def test_the_oracles_refuse_a_wrong_answer(family: str) -> None:
    problem = make_problem(family, "medium", 17, 0)
    wrong = run(problem) + Symbol(problem.expected.given["variable"][0]) * 3
    if family == "definite_integrals":
        wrong = run(problem) + 3
    with pytest.raises((AssertionError, TypeError)):
        CHECKS[family](problem, wrong)


def test_answers_are_text_that_sympify_reads() -> None:
    for family in FAMILIES:
        problem = make_problem(family, "medium", 17, 3)
        if problem.expected.kind not in (Kind.NUMBER, Kind.ARRAY):
            assert sympify(problem.expected.value) is not None
        else:
            json.loads(problem.expected.value)
