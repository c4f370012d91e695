"""Ordinary differential equations of first and second order, made from their solutions.

Each form is one whose general solution is known (separable, linear, constant coefficients, Euler);
the answer is that solution, and its residual is checked by values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import sympy
from sympy import Eq, Function, Integer, Symbol

from calcgen_ray.corpus.families.drafts import Draft, Family, ask
from calcgen_ray.corpus.families.functions import (
    draw_function,
    insist,
    integer,
    is_elementary,
    nodes,
    require,
)
from calcgen_ray.corpus.families.integrands import ARCS, draw_integrand, is_closed
from calcgen_ray.corpus.families.rendering import STYLES, declare, script, source, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.families.values import GRID, real_points, values
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "general": (
        "Solve the differential equation {eq}.",
        "Find the general solution of {eq}.",
        "Solve {eq} for {y}({x}).",
        "Which functions {y}({x}) satisfy {eq}?",
        "Use dsolve on the equation {eq}.",
        "Let {y} obey {eq}. Find {y}({x}).",
        "Determine all solutions of the ODE {eq}.",
        "Compute the general solution {y}({x}) of the ODE {eq}.",
    ),
    "initial": (
        "Solve {eq} with {at}.",
        "Find the solution of {eq} that satisfies {at}.",
        "Solve the initial value problem {eq}, {at}.",
        "Let {y} obey {eq} and {at}. Find {y}({x}).",
    ),
}
NAMES = (("f", "x"), ("y", "x"), ("y", "t"), ("x", "t"), ("u", "x"))
C1, C2 = sympy.symbols("C1 C2")


@dataclass(frozen=True, slots=True)
class Equation:
    """left = right with its general solution in the constants C1 and C2."""

    left: Any
    right: Any
    solution: Any


def antiderivative(rng: Random, difficulty: Difficulty, shape: Shape, x: Symbol) -> tuple[Any, Any]:
    """A function that SymPy integrates, and the integral."""
    made = draw_integrand(rng, difficulty, shape, x)
    require(nodes(made.function) <= 22 and not made.function.has(sympy.tan, *ARCS))
    powers = [p for p in made.function.atoms(sympy.Pow) if p.base.has(sympy.Function)]
    require(not powers)  # dsolve simplifies, for seconds, what comes of them
    return made.function, made.antiderivative


def forcing(rng: Random, planned: int, shape: Shape, x: Symbol) -> Any:
    """A particular solution of the kind undetermined coefficients can find."""

    def draw_low() -> Any:
        h = sympy.expand(draw_function(rng, planned, shape, [x]))
        require(all(is_low(power, x) for power in h.atoms(sympy.Pow)))
        require(is_closed(h, x) and not h.has(sympy.log))
        return h

    return insist(draw_low)


def is_low(power: Any, x: Symbol) -> bool:
    """Whether it is x^2, x^3 or x^4 and no power of a function."""
    return bool(power.base == x and power.exp in (2, 3, 4))


def direct(rng: Random, difficulty: Difficulty, shape: Shape, x: Symbol, y: Any) -> Equation:
    """y' = g(x)."""
    g, whole = antiderivative(rng, difficulty, shape, x)
    return Equation(y.diff(x), g, C1 + whole)


def proportional(rng: Random, difficulty: Difficulty, shape: Shape, x: Symbol, y: Any) -> Equation:
    """y' + k y = c."""
    k, c = integer(rng, -6, 6), integer(rng, -6, 6)
    if rng.random() < 0.4:
        return Equation(y.diff(x), k * y, C1 * sympy.exp(k * x))
    return Equation(y.diff(x) + k * y, c, C1 * sympy.exp(-k * x) + c / k)


def separable(rng: Random, difficulty: Difficulty, shape: Shape, x: Symbol, y: Any) -> Equation:
    """y' = g(x) y, y' = g(x) y^2 or y' = g(x) exp(-y)."""
    g, whole = antiderivative(rng, "easy", shape, x)
    form = rng.randrange(1 if difficulty == "easy" else 3)
    if form == 0:
        return Equation(y.diff(x), g * y, C1 * sympy.exp(whole))
    if form == 1:
        return Equation(y.diff(x), g * y**2, -1 / (C1 + whole))
    return Equation(y.diff(x), g * sympy.exp(-y), sympy.log(C1 + whole))


def linear(rng: Random, difficulty: Difficulty, shape: Shape, x: Symbol, y: Any) -> Equation:
    """y' + k y = h' + k h, or y' + (k/x) y = h' + (k/x) h."""
    k = integer(rng, -4, 4)
    h = forcing(rng, rng.randint(1, 5), shape, x)
    if rng.random() < 0.3 and h.is_polynomial(x):
        right = sympy.expand(h.diff(x) + k * h / x)
        return Equation(y.diff(x) + k * y / x, right, h + C1 * x ** (-k))
    right = sympy.expand(h.diff(x) + k * h)
    return Equation(y.diff(x) + k * y, right, h + C1 * sympy.exp(-k * x))


def basis(rng: Random, x: Symbol) -> tuple[Any, Any, Any]:
    """Coefficients a, b of y'' + a y' + b y = 0 and its general solution."""
    form = rng.randrange(3)
    if form == 0:
        p, q = rng.sample([-4, -3, -2, -1, 0, 1, 2, 3], 2)
        homogeneous = C1 * sympy.exp(p * x) + C2 * sympy.exp(q * x)
        return Integer(-p - q), Integer(p * q), homogeneous
    if form == 1:
        p = integer(rng, -4, 4)
        return -2 * p, p**2, (C1 + C2 * x) * sympy.exp(p * x)
    p, q = Integer(rng.choice([0, 0, -2, -1, 1, 2])), integer(rng, 1, 4)
    waves = C1 * sympy.sin(q * x) + C2 * sympy.cos(q * x)
    return -2 * p, p**2 + q**2, waves * sympy.exp(p * x)


def second(rng: Random, difficulty: Difficulty, shape: Shape, x: Symbol, y: Any) -> Equation:
    """y'' + a y' + b y = 0, or the same of h on the right."""
    a, b, homogeneous = basis(rng, x)
    left = y.diff(x, 2) + a * y.diff(x) + b * y
    if difficulty == "medium" or rng.random() < 0.15:
        return Equation(left, Integer(0), homogeneous)
    h = forcing(rng, rng.randint(2, 6), shape, x)
    right = sympy.expand(h.diff(x, 2) + a * h.diff(x) + b * h)
    require(right != 0 and nodes(right) <= 22)
    return Equation(left, right, homogeneous + h)


WAYS: dict[Difficulty, tuple[Any, ...]] = {
    "easy": (direct, proportional, separable),
    "medium": (direct, separable, separable, linear, linear, second),
    "hard": (second, second, second, linear, separable, direct),
}


def holds(equation: Equation, x: Symbol, y: Any) -> bool:
    """Whether the residual of the solution vanishes at the real points of the grid."""
    solution = equation.solution.subs({C1: sympy.Rational(7, 5), C2: sympy.Rational(3, 5)})
    residual = (equation.left - equation.right).subs(y, solution).doit()
    found, size = values(residual, x, GRID), values(solution, x, GRID)
    good = real_points(found) & real_points(size)
    return bool(good.sum() >= 3 and (abs(found) <= 1e-7 * (1 + abs(size)) * 100)[good].all())


def with_start(equation: Equation, rng: Random, x: Symbol, y: Any) -> tuple[Any, dict[Any, Any]]:
    """The solution through a small integer value (and slope) at 0, and these conditions."""
    form = equation.solution
    conditions = {y.subs(x, 0): Integer(rng.randint(0, 4))}
    if form.has(C2):
        conditions[y.diff(x).subs(x, 0)] = Integer(rng.randint(-2, 3))
    system = [
        (form.diff(x) if key.has(sympy.Derivative) else form).subs(x, 0) - value
        for key, value in conditions.items()
    ]
    require(all(is_elementary(one) for one in system))
    found = sympy.linsolve(system, *([C1, C2] if form.has(C2) else [C1]))
    require(len(found) == 1)
    constants = dict(zip((C1, C2), next(iter(found)), strict=False))
    solved = form.subs(constants)
    require(solved != 0 and not solved.has(C1, C2) and is_elementary(solved))
    return solved, conditions


def prime(written: str, y: Any, x: Symbol, short: bool) -> str:
    """Derivatives with primes: y''(x) + y(x), or y'' + y when short."""
    name, call = y.func.__name__, f"{y.func.__name__}({x})"
    written = written.replace(f"Derivative({call}, {x})", f"{name}'({x})")
    written = written.replace(f"Derivative({call}, ({x}, 2))", f"{name}''({x})")
    return re.sub(rf"\b({name}'*)\({x}\)", r"\1", written) if short else written


def ordered(left: Any, write: Callable[[Any], str]) -> str:
    """A sum with the highest derivative first, as people write it."""
    terms = sorted(left.as_ordered_terms(), key=order_of, reverse=True)
    signed = [write(term) for term in terms]
    return " + ".join(signed).replace("+ -", "- ")


def order_of(term: Any) -> int:
    return max((d.derivative_count for d in term.atoms(sympy.Derivative)), default=0)


def code_of(rng: Random, equation: Equation, x: Symbol, y: Any, conditions: Any) -> str:
    """A script with dsolve; derivatives as methods or calls of diff."""
    name = y.func.__name__
    method = rng.random() < 0.5

    def derivatives(written: str) -> str:
        first, twice = f"Derivative({y}, {x})", f"Derivative({y}, ({x}, 2))"
        if method:
            return written.replace(first, f"{y}.diff({x})").replace(twice, f"{y}.diff({x}, 2)")
        return written.replace(first, f"diff({y}, {x})").replace(twice, f"diff({y}, {x}, 2)")

    eq = derivatives(f"Eq({ordered(equation.left, source)}, {source(equation.right)})")
    ics = ""
    if conditions:
        # Slopes at a point are Subs objects, which dsolve wants as f(x).diff(x).subs(x, 0).
        pairs = [
            f"{y}.diff({x}).subs({x}, {point_of(key)}): {value}" if key.has(sympy.Derivative)
            else f"{name}({point_of(key)}): {value}"
            for key, value in conditions.items()
        ]  # fmt: skip
        ics = f", ics={{{', '.join(pairs)}}}"
    letters = {x} | equation.left.free_symbols | equation.right.free_symbols
    lines = [declare(sorted(letters, key=str)), f"{name} = Function('{name}')"]
    if rng.random() < 0.6 or conditions:
        lines, eq = [*lines, f"eq = {eq}"], "eq"
    return script([*lines, f"result = dsolve({eq}, {y}{ics})"], rng.choice(STYLES))


def point_of(key: Any) -> Any:
    """Where a condition's value is: 0 of f(0), or of f'(0), which is a Subs object."""
    return key.point[0] if key.has(sympy.Derivative) else key.args[0]


def said(conditions: Any, name: str) -> str:
    """Conditions in words: y(0) = 1 and y'(0) = 2."""
    parts = []
    for key, value in conditions.items():
        prime = "'" if key.has(sympy.Derivative) else ""
        parts.append(f"{name}{prime}({point_of(key)}) = {text(value)}")
    return " and ".join(parts)


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """First order, then linear and separable ones, then second order; initial values in some."""
    name, letter = rng.choice(NAMES)
    x = Symbol(letter)
    y = Function(name)(x)
    equation = rng.choice(WAYS[difficulty])(rng, difficulty, shape, x, y)
    require(is_elementary(equation.right.subs(y, x)) and nodes(equation.solution) <= 60)
    require(holds(equation, x, y))
    conditions: dict[Any, Any] = {}
    solved = equation.solution
    plain = solved.coeff(C1) != 0 if not solved.has(sympy.log) else False
    if plain and difficulty != "easy" and rng.random() < 0.25:
        solved, conditions = with_start(equation, rng, x, y)
    return finish(rng, equation, x, y, solved, conditions)


def finish(
    rng: Random, equation: Equation, x: Symbol, y: Any, solved: Any, conditions: dict[Any, Any]
) -> Draft:
    name = y.func.__name__
    short = rng.random() < 0.5
    left = prime(ordered(equation.left, text), y, x, short)
    right = prime(text(equation.right), y, x, short)
    at = said(conditions, name)
    variant = "initial" if conditions else "general"
    question = ask(variant, eq=f"{left} = {right}", y=name, x=str(x), at=at)
    eq = Eq(equation.left, equation.right, evaluate=False)
    given = {"equation": text(eq), "function": name, "variable": str(x)}
    if conditions:
        given["conditions"] = at
    canonical = (equation.left - equation.right).subs(y, Function("f")(x)).doit()
    expected = Expected(Kind.ODE, text(Eq(y, solved, evaluate=False)), given)
    code = code_of(rng, equation, x, y, conditions)
    return Draft(question, code, expected, f"ode: {skeleton(canonical)}")


FAMILY = Family("odes", PHRASINGS, draw)
