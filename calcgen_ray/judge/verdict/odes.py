"""Differential equations: the answer is put into the equation, by values.

Derivatives are differences with many digits (see antiderivatives.py). The residual is measured by
the sum of the sizes of the equation's terms. A general solution must have as many independent
constants as the order; with conditions, they must hold and no constant may be left. An implicit
solution G(x, y) = C is right if G_x + G_y y' = 0 along the equation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy

from calcgen_ray.judge.verdict import points
from calcgen_ray.judge.verdict.agree import ENOUGH, Sides, agree
from calcgen_ray.judge.verdict.antiderivatives import Slope
from calcgen_ray.judge.verdict.finding import (
    Finding,
    NotAnswerError,
    different,
    equal,
    unknown,
)
from calcgen_ray.judge.verdict.numeric import CONTEXT, Program, Value, symbols_of
from calcgen_ray.judge.verdict.parsing import parse
from calcgen_ray.judge.verdict.points import Point
from calcgen_ray.judge.verdict.same import has_float
from calcgen_ray.judge.verdict.tree import expression, kind_of

MOST = 6  # solutions in a list
DIGITS = 80
ZERO = 1e-15
CONDITION = re.compile(r"(\w+)('*)\(([^()=]+)\) = (.+?)(?= and \w+'*\(|$)")
PLACES = [sympy.Symbol(f"y{k}_") for k in range(4)]
"""Stand for the function and its derivatives inside the equation."""


@dataclass(frozen=True, slots=True)
class Equation:
    """The terms of left - right, as programs in the variable and in PLACES."""

    variable: str
    order: int
    terms: tuple[Program, ...]
    without_slope: Any

    def values(self, point: Point, jet: Sequence[Value], digits: int) -> list[Value]:
        """The value of each term where the function and its derivatives are those of the jet."""
        if None in jet:
            return [None]
        full = {**point, **{str(s): v for s, v in zip(PLACES, jet, strict=False)}}
        return [term(full, digits) for term in self.terms]


@lru_cache(maxsize=1024)
def read(text: str, function: str, variable: str) -> Equation:
    """The equation that was asked for, of order one or two; the text is ours."""
    equation, x = parse(text, (function,)), sympy.Symbol(variable)
    y = sympy.Function(function)(x)
    order = max(d.derivative_count for d in equation.atoms(sympy.Derivative))
    swap = {y.diff(x, k): PLACES[k] for k in range(order, 0, -1)} | {y: PLACES[0]}
    terms = [
        side * term.xreplace(swap)
        for side, whole in ((1, equation.lhs), (-1, equation.rhs))
        for term in sympy.Add.make_args(sympy.sympify(whole))
    ]
    rest = sum(terms).subs(PLACES[1], 0)
    return Equation(variable, order, tuple(Program(t) for t in terms), rest)


def decide_ode(expected: Any, given: Mapping[str, str], answer: Any) -> Finding:
    """Every solution that the answer lists must satisfy the equation."""
    equation = read(given["equation"], given["function"], given["variable"])
    solutions = listed(answer)
    if len(solutions) > MOST or not solutions:
        raise NotAnswerError(f"{len(solutions)} solutions")
    solution = None if expected is None else expected.rhs
    findings = [decide_one(equation, given, one, solution) for one in solutions]
    general = [f for f in findings if f.equal and f.method != "particular"]
    for finding in findings:
        if not finding.equal:
            return finding
    return general[0] if general else different("general", "no constant: a particular solution")


def listed(tree: Any) -> list[Any]:
    match tree:
        case {"list": list(items)} | {"tuple": list(items)} | {"set": list(items)}:
            return items
        case ["FiniteSet" | "Tuple", *items]:
            return items
        case {"dict": list(pairs)}:
            return [["Equality", *pair] for pair in pairs if isinstance(pair, list)]
        case _:
            return [tree]


def decide_one(
    equation: Equation, given: Mapping[str, str], tree: Any, solution: Any = None
) -> Finding:
    """One solution: Eq(y(x), ...) either way round, the right side alone, or an implicit one."""
    match tree:
        case ["Equality", ["Apply", str(), ["Symbol", str(name)]], right] | [
            "Equality", right, ["Apply", str(), ["Symbol", str(name)]]
        ] if not mentions(right):  # fmt: skip
            if name != equation.variable:
                return different("form", f"a function of {name[:30]}, not {equation.variable}")
            y = expression(right)
            if y == solution:
                return equal("structure")
            return explicit(equation, given, y)
        case ["Equality", left, right]:
            return implicit(equation, given, left, right)
        case ["Apply", *_]:
            raise NotAnswerError("the unknown function itself is no answer")
        case list() if not mentions(tree):
            return explicit(equation, given, expression(tree))
        case _:
            raise NotAnswerError(f"{kind_of(tree)} is no solution")


def mentions(tree: Any) -> bool:
    """Whether an unknown function stands in it."""
    return isinstance(tree, list) and (tree[:1] == ["Apply"] or any(map(mentions, tree)))


def explicit(equation: Equation, given: Mapping[str, str], y: Any) -> Finding:
    names = [name for name in symbols_of(y) if name != equation.variable]
    slope = Slope(y, equation.variable)
    found = agree(residual(equation, slope, [equation.variable, *names], has_float(y)))
    if not found.equal:
        return found
    if conditions := given.get("conditions"):
        return starts(equation, slope, conditions, names)
    if not names:
        return equal("particular")
    return found if independent(equation, slope, names) else different(
        "general", f"{len(names)} constants, but not {equation.order} independent ones"
    )  # fmt: skip


def residual(equation: Equation, slope: Slope, names: list[str], loose: bool) -> Sides:
    """The size of left - right against zero, measured by the sizes of the terms."""

    last: dict[tuple[int, int], list[Value]] = {}

    def values(point: Point, digits: int) -> list[Value]:
        key = id(point), digits
        if key not in last:
            last.clear()  # the size and the scale are asked for in turn
            jet = slope.jet(point, 3 * digits, max(2, equation.order))
            last[key] = equation.values(point, jet, digits)
        return last[key]

    def size(point: Point, digits: int) -> Value:
        terms = values(point, digits)
        return None if None in terms else abs(sum(terms))

    def scale(point: Point, digits: int) -> Value:
        terms = values(point, digits)
        return None if None in terms else sum(abs(term) for term in terms)

    def zero(point: Point, digits: int) -> Value:
        return CONTEXT.zero

    return Sides(size, zero, sorted(names), loose, slope.program.analytic, scale)


def independent(equation: Equation, slope: Slope, names: list[str]) -> bool:
    """Whether the solution can be moved in as many directions as the equation's order."""
    for point in points.near([equation.variable, *names]):
        directions = [moved(slope, point, name, equation.order) for name in names]
        if any(None in direction for direction in directions):
            continue
        if equation.order == 1:
            return any(abs(d[0]) > ZERO for d in directions)
        pairs = [(a, b) for i, a in enumerate(directions) for b in directions[:i]]
        if any(abs(a[0] * b[1] - a[1] * b[0]) > ZERO * size(a, b) for a, b in pairs):
            return True
    return False


def size(a: Sequence[Value], b: Sequence[Value]) -> Value:
    return abs(a[0] * b[1]) + abs(a[1] * b[0])


def moved(slope: Slope, point: Point, name: str, order: int) -> list[Value]:
    """How the value and the slope change with one constant."""
    h = CONTEXT.mpf(10) ** -10
    here = slope.jet(point, DIGITS, 2)
    there = slope.jet({**point, name: point[name] + h}, DIGITS, 2)
    if None in here or None in there:
        return [None]
    return [(b - a) / h for a, b in zip(here, there, strict=True)][:order]


def starts(equation: Equation, slope: Slope, conditions: str, names: list[str]) -> Finding:
    """Whether y(a) = b and y'(a) = c hold, with nothing left to choose."""
    if names:
        return different("conditions", f"{', '.join(names)[:60]} left to choose")
    for match in CONDITION.finditer(conditions):
        at, wanted = Program(parse(match[3])), Program(parse(match[4]))
        jet = slope.jet({equation.variable: at({}, DIGITS)}, DIGITS, 2)
        value, goal = jet[len(match[2])], wanted({}, DIGITS)
        if value is None or goal is None:
            return unknown("conditions", f"no value at {match[3]}")
        if abs(value - goal) > ZERO * 10**4 * (1 + abs(goal)):
            return different("conditions", f"{match[0]} does not hold")
    return equal("conditions")


def implicit(equation: Equation, given: Mapping[str, str], left: Any, right: Any) -> Finding:
    """G(x, y) = left - right, with y and x as free numbers, for equations of the first order."""
    name, y = given["function"], str(PLACES[0])
    whole = expression(["Add", plain(left, name), ["Mul", ["Integer", "-1"], plain(right, name)]])
    constants = [n for n in symbols_of(whole) if n not in (equation.variable, y)]
    if equation.order != 1 or given.get("conditions") or y not in symbols_of(whole):
        return unknown("implicit", "an implicit solution")
    by_x, by_y = Slope(whole, equation.variable), Slope(whole, y)
    slope = Program(-equation.without_slope)

    def flow(point: Point, digits: int) -> Value:
        parts = by_x.derivative(point, digits), by_y.derivative(point, digits), slope(point, digits)
        return None if None in parts else abs(parts[0] + parts[1] * parts[2])

    def scale(point: Point, digits: int) -> Value:
        parts = by_x.derivative(point, digits), by_y.derivative(point, digits), slope(point, digits)
        return None if None in parts else abs(parts[0]) + abs(parts[1] * parts[2])

    names = sorted({equation.variable, y, *constants})
    found = agree(Sides(flow, lambda point, digits: CONTEXT.zero, names, scale=scale))
    moves = constants and any(whole.diff(sympy.Symbol(c)) != 0 for c in constants)
    if found.equal and moves and len(names) >= ENOUGH - 3:
        return equal("implicit")
    return unknown("implicit", "an implicit solution that is not separated")


def plain(tree: Any, function: str) -> Any:
    """The tree with the unknown function as a symbol."""
    if not isinstance(tree, list):
        return tree
    if tree[:2] == ["Apply", function]:
        return ["Symbol", str(PLACES[0])]
    return [plain(part, function) for part in tree]
