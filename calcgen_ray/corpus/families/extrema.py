"""Critical points and extreme values, in one variable, in two, and under a constraint."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import sympy
from sympy import FiniteSet, Integer, Symbol

from calcgen_ray.corpus.families.drafts import Draft, Family, ask
from calcgen_ray.corpus.families.functions import (
    draw_function,
    draw_variable,
    insist,
    integer,
    is_finite,
    nodes,
    require,
)
from calcgen_ray.corpus.families.gentleness import depth
from calcgen_ray.corpus.families.rendering import STYLES, declare, script, source, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.families.values import floats, is_real
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "critical": (
        "Find the critical points of {f}.",
        "Where is the derivative of {f} zero?",
        "Find all {x} at which f({x}) = {f} has a horizontal tangent.",
        "Locate the stationary points of f({x}) = {f}.",
        "At which {x} can {f} have a local extremum?",
        "Solve f'({x}) = 0 for f({x}) = {f}.",
        "Let f({x}) = {f}. List its critical points.",
        "Determine the candidates for extrema of {f}.",
    ),
    "range": (
        "Find the {most} of {f} on [{a}, {b}].",
        "What is the absolute {most} of {f} for {a} <= {x} <= {b}?",
        "Compute the {most} value of f({x}) = {f} over the interval [{a}, {b}].",
        "Let f({x}) = {f} on [{a}, {b}]. Find its {most} value.",
    ),
    "plane": (
        "Find the critical points of f({x}, {y}) = {f}.",
        "Where do both partial derivatives of {f} vanish?",
        "Locate the stationary points of {f} in {x} and {y}.",
        "Solve grad f = 0 for f({x}, {y}) = {f}.",
    ),
    "constrained": (
        "Minimize {f} subject to {g} = {c}.",
        "Find the minimum of {f} under the constraint {g} = {c}.",
        "Use a Lagrange multiplier to minimize {f} with {g} = {c}.",
        "What is the least value of {f} on the line {g} = {c}?",
    ),
}
VARIANTS: dict[Difficulty, tuple[str, ...]] = {
    "easy": ("critical",),
    "medium": ("critical", "critical", "range"),
    "hard": (*["critical"] * 4, *["range"] * 4, "plane", "constrained"),
}


FORMS: dict[Difficulty, tuple[str, ...]] = {
    "easy": ("polynomial", "free"),
    "medium": ("free", "inside"),
    "hard": ("free", "inside", "inside"),
}
PLAIN = ("sqrt", "pow2", "pow3", "log", "exp", "atan")
SIXTHS = np.arange(-72, 73) / 6
"""Where a zero of the derivative is looked for before any algebra is done."""


def turning_polynomial(rng: Random, x: Symbol) -> Any:
    """A quadratic or cubic whose derivative has integer roots."""
    if rng.random() < 0.4:
        a, c = integer(rng, -5, 5), integer(rng, 1, 4)
        return sympy.expand(c * rng.choice([1, -1]) * (x - a) ** 2) + rng.randint(-9, 9)
    a, b = rng.sample(range(-4, 5), 2)
    c = Integer(rng.choice([1, 2, 3])) * (6 if (a + b) % 2 else 3)
    return c * x**3 / 3 - c * (a + b) * x**2 / 2 + c * a * b * x + rng.randint(-9, 9)


def plain(shape: Shape) -> Shape:
    """The same shape without the functions whose critical points are seldom rational."""
    kept = {name: weight for name, weight in shape.unary.items() if name in PLAIN and weight}
    return replace(shape, unary=kept or dict.fromkeys(PLAIN, 1))


def is_solvable(f: Any, x: Symbol) -> bool:
    """Whether SymPy's solve is quick with its derivative, found by measuring.

    What keeps it busy for minutes is an exponential of a fraction or of another function.
    """
    exponents = [part.args[0] for part in f.atoms(sympy.exp)]
    low = all(e.is_polynomial(x) and sympy.degree(e, x) <= 3 for e in exponents)
    roots = [p.base for p in f.atoms(sympy.Pow) if not p.exp.is_integer]
    return low and depth(f) <= 2 and not any(base.has(sympy.Function) for base in roots)


def stationary(f: Any, x: Symbol) -> list[Any]:
    """The rational zeros of f' where f is finite, in order.

    Rejects unless the numerator of f' is a product of exponentials and of polynomials that split
    over the rationals.
    """
    slope = sympy.diff(f, x)
    require(bool((np.abs(floats(slope, x, SIXTHS)) < 1e-9).any()))
    above = sympy.numer(sympy.together(slope))
    # With symbols for the exponentials, which are never zero, factor stays quick.
    marks = {part: Symbol(f"e{i}_") for i, part in enumerate(sympy.ordered(above.atoms(sympy.exp)))}
    above = sympy.factor(above.xreplace(marks))
    roots: set[Any] = set()
    for factor in sympy.Mul.make_args(above):
        base = factor.base if factor.is_Pow and factor.exp.is_Integer else factor
        if base in marks.values() or not base.free_symbols:
            continue
        require(base.free_symbols == {x} and bool(base.is_polynomial(x)))
        require(sympy.degree(base, x) <= 1)
        roots |= set(sympy.roots(base, x))
    good = [root for root in roots if bool(abs(floats(f, x, [float(root)])[0]) < 1e6)]
    require(len(good) == len(roots) and 1 <= len(good) <= 4)
    slopes = [floats(slope, x, [float(root)])[0] for root in good]
    require(all(bool(abs(height) < 1e-8) for height in slopes))
    return sorted(good)


def is_monotonic(f: Any, x: Symbol) -> bool:
    """Whether its slope has one sign, never 0, wherever the function is real."""
    slopes = floats(sympy.diff(f, x), x, SIXTHS)
    signs = np.sign(slopes[np.isfinite(slopes)])
    return bool(signs.size and signs[0] and (signs == signs[0]).all())


def draw_bent(rng: Random, difficulty: Difficulty, shape: Shape, x: Symbol) -> tuple[Any, Any]:
    """A function with known critical points.

    A turning polynomial alone, inside a random function that is monotonic, or any random function
    that happens to have some.
    """
    form = rng.choice(FORMS[difficulty])
    if form == "polynomial":
        f = turning_polynomial(rng, x)
    else:
        planned = shape.size(rng, difficulty, 5) + (difficulty == "medium")
        f = draw_function(rng, max(1, planned - (form == "inside")), plain(shape), [x])
        require(difficulty == "easy" or not f.is_polynomial(x) or rng.random() < 0.25)
        if form == "inside":
            require(f != x and is_monotonic(f, x))
            f = f.xreplace({x: turning_polynomial(rng, x)})
    powers = [power.exp for power in f.atoms(sympy.Pow) if power.exp.is_Rational]
    require(nodes(f) <= 30 and all(p.q <= 2 and abs(p) <= 6 for p in powers))
    require(is_solvable(f, x))
    return f, stationary(f, x)


def solve_line(rng: Random, f: Any, x: Symbol) -> list[str]:
    """f, its derivative and the solve call, in one of three layouts."""
    form = rng.randrange(3)
    if form == 0:
        return [declare([x]), f"f = {source(f)}", f"result = solve(diff(f, {x}), {x})"]
    if form == 1:
        return [declare([x]), f"f = {source(f)}", f"result = solve(f.diff({x}), {x})"]
    return [declare([x]), f"df = diff({source(f)}, {x})", f"result = solve(df, {x})"]


def draw_critical(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """All zeros of the derivative; SymPy's solve must find the same."""
    x = draw_variable(rng)
    f, points = draw_bent(rng, difficulty, shape, x)
    require(set(sympy.solve(sympy.diff(f, x), x)) == set(points))
    code = script(solve_line(rng, f, x), rng.choice(STYLES))
    question = ask("critical", f=f, x=x)
    given = {"function": text(f), "variable": str(x)}
    expected = Expected(Kind.SOLUTION_SET, text(FiniteSet(*points)), given)
    return Draft(question, code, expected, f"extremum: {skeleton(f)}")


def draw_range(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """The greatest or least value on a closed interval around the critical points."""
    x = draw_variable(rng)
    f, points = draw_bent(rng, difficulty, shape, x)
    a = Integer(sympy.floor(points[0])) - rng.randint(1, 3)
    b = Integer(sympy.ceiling(points[-1])) + rng.randint(1, 3)
    require(is_real(f, x, float(a), float(b), 1e4))
    require(set(sympy.solve(sympy.diff(f, x), x)) == set(points))
    most = rng.choice(("max", "min"))
    value = (max if most == "max" else min)([f.subs(x, p) for p in [a, b, *points]], key=float)
    require(nodes(value) <= 10 and is_finite(value))
    slope = rng.choice((f"diff(f, {x})", f"f.diff({x})"))
    lines = [
        declare([x]),
        f"f = {source(f)}",
        f"points = solve({slope}, {x}) + [{a}, {b}]",
        f"result = {most}(f.subs({x}, p) for p in points)",
    ]
    code = script(lines, rng.choice(STYLES))
    names = {"max": "maximum", "min": "minimum"}
    question = ask("range", f=f, x=x, a=a, b=b, most=names[most])
    given = {"function": text(f), "variable": str(x), "low": str(a), "high": str(b), "find": most}
    expected = Expected(Kind.EXPRESSION, text(value), given)
    return Draft(question, code, expected, f"extremum: {skeleton(f)}")


def quadratic_form(rng: Random, x: Symbol, y: Symbol) -> Any:
    """A positive definite quadratic in two variables with linear terms."""
    a, b, c = integer(rng, 1, 5), Integer(rng.randint(-2, 2)), integer(rng, 2, 5)
    require(4 * a * c > b * b)
    return a * x**2 + b * x * y + c * y**2 + rng.randint(-9, 9) * x + rng.randint(-9, 9) * y


def draw_plane(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """Where the gradient vanishes: a sum of two turning polynomials, or a quadratic."""
    x, y = rng.choice([sympy.symbols("x y"), sympy.symbols("u v"), sympy.symbols("s t")])
    if rng.random() < 0.5:
        f = quadratic_form(rng, x, y)
        points = sympy.linsolve([f.diff(x), f.diff(y)], x, y)
        call = f"linsolve([diff(f, {x}), diff(f, {y})], {x}, {y})"
    else:
        p, q = turning_polynomial(rng, x), turning_polynomial(rng, y)
        require(max(sympy.degree(p, x), sympy.degree(q, y)) == 3)
        f = p + q
        points = FiniteSet(*[(a, b) for a in stationary(p, x) for b in stationary(q, y)])
        call = f"solve([diff(f, {x}), diff(f, {y})], [{x}, {y}])"
        require(set(sympy.solve([f.diff(x), f.diff(y)], [x, y])) == set(map(tuple, points)))
    code = script([declare([x, y]), f"f = {source(f)}", f"result = {call}"], rng.choice(STYLES))
    question = ask("plane", f=f, x=x, y=y)
    given = {"function": text(f), "variable": f"{x},{y}"}
    expected = Expected(Kind.SOLUTION_SET, text(points), given)
    return Draft(question, code, expected, f"extremum: {skeleton(f)}")


def draw_constrained(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """A definite quadratic on a line: Lagrange's conditions are linear, the minimum is unique."""
    x, y = rng.choice([sympy.symbols("x y"), sympy.symbols("u v")])
    f, c = quadratic_form(rng, x, y), integer(rng, 1, 9)
    g = integer(rng, 1, 4) * x + integer(rng, -4, 4) * y
    free = sympy.solve(g - c, y)[0]
    along = sympy.expand(f.subs(y, free))
    value = along.subs(x, sympy.solve(along.diff(x), x)[0])
    lam = Symbol("lam")
    lines = [
        declare([x, y, lam]),
        f"f = {source(f)}",
        f"L = f - lam*({source(g - c)})",
        f"point = solve([L.diff(s) for s in ({x}, {y}, lam)], [{x}, {y}, lam])",
        "result = f.subs(point)",
    ]
    code = script(lines, rng.choice(STYLES))
    question = ask("constrained", f=f, g=g, c=c)
    given = {"function": text(f), "variable": f"{x},{y}", "constraint": text(g - c), "find": "min"}
    expected = Expected(Kind.EXPRESSION, text(value), given)
    return Draft(question, code, expected, f"extremum: {skeleton((f, g))}")


DRAWS = {
    "critical": draw_critical,
    "range": draw_range,
    "plane": draw_plane,
    "constrained": draw_constrained,
}


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """Polynomials first; intervals, then two variables and constraints with the difficulty."""
    make = DRAWS[rng.choice(VARIANTS[difficulty])]
    return insist(lambda: make(rng, difficulty, shape))


FAMILY = Family("extrema", PHRASINGS, draw)
