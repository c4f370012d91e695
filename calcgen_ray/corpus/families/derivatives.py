"""Derivatives: first and higher, at a point, partial and mixed."""

from __future__ import annotations

from random import Random
from typing import Any

import sympy
from sympy import Integer, Symbol

from calcgen_ray.corpus.families.drafts import Draft, Family, ask
from calcgen_ray.corpus.families.functions import (
    NODES,
    draw_function,
    draw_variable,
    insist,
    integer,
    is_elementary,
    nodes,
    require,
)
from calcgen_ray.corpus.families.rendering import STYLES, declare, script, solution, source, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.families.values import values
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "first": (
        "Differentiate {f} with respect to {x}.",
        "Find the derivative of {f}.",
        "Compute d/d{x} of {f}.",
        "Let f({x}) = {f}. Find f'({x}).",
        "What is the derivative of f({x}) = {f}?",
        "Calculate the rate of change of {f} in {x}.",
        "Given y = {f}, find dy/d{x}.",
        "Determine the slope function of {f}.",
        "Take the derivative of {f} using SymPy.",
        "Write code that differentiates {f}.",
    ),
    "higher": (
        "Find the {nth} derivative of {f}.",
        "Differentiate {f} {times} with respect to {x}.",
        "Compute the {nth} derivative of f({x}) = {f}.",
        "Let f({x}) = {f}. What is its {nth} derivative?",
        "Calculate d^{n}/d{x}^{n} of {f}.",
        "Given y = {f}, work out its derivative of order {n}.",
    ),
    "point": (
        "Find the slope of {f} at {x} = {a}.",
        "Let f({x}) = {f}. Compute f'({a}).",
        "Evaluate the derivative of {f} at the point {x} = {a}.",
        "How fast does {f} change at {x} = {a}?",
        "What is the gradient of the tangent to y = {f} at {x} = {a}?",
        "Differentiate {f} and substitute {x} = {a}.",
    ),
    "partial": (
        "Find the partial derivative of {f} with respect to {by}.",
        "Compute the partial derivative of f = {f} in {by}.",
        "Let f({x}, {y}) = {f}. Differentiate f partially by {by}.",
        "Take the partial derivative of {f} by {by}.",
        "Let z = {f}. Give its partial derivative with respect to {by}.",
        "For f({x}, {y}) = {f}, work out the partial derivative by {by}.",
    ),
}
NTH = {2: "second", 3: "third"}
TIMES = {2: "twice", 3: "three times"}
VARIANTS: dict[Difficulty, tuple[str, ...]] = {
    "easy": ("first",),
    "medium": ("first", "first", "higher", "point"),
    "hard": ("first", "first", "higher", "partial", "partial"),
}


def finish(rng: Random, variant: str, f: Any, value: Any, code: str, **fields: Any) -> Draft:
    """The draft once its answer is known, or Reject when that is degenerate or too long."""
    require(value != 0 and nodes(value) <= NODES and is_elementary(value))
    by, order = fields.pop("given")
    question = ask(variant, f=f, **fields)
    given = {"function": text(f), "variable": by, "order": order}
    if variant == "point":
        given["point"] = text(fields["a"])
    expected = Expected(Kind.EXPRESSION, text(value), given)
    return Draft(question, code, expected, f"derivative: {skeleton(f)}")


def draw_higher(rng: Random, operators: int, shape: Shape, order: int) -> Draft:
    """The derivative of that order; 1 is the plain one."""
    x = draw_variable(rng)
    f = draw_function(rng, operators, shape, [x])
    more = f", {order}" if order > 1 else ""
    calls = (f"diff({{f}}, {x}{more})", f"diff({{f}}, {x}{more})", f"{{f}}.diff({x}{more})")
    code = solution(rng, [x], f, calls)
    variant = "first" if order == 1 else "higher"
    fields = {"nth": NTH.get(order, ""), "times": TIMES.get(order, ""), "n": str(order)}
    given = (str(x), str(order))
    return finish(rng, variant, f, sympy.diff(f, x, order), code, x=x, given=given, **fields)


def draw_point(rng: Random, operators: int, shape: Shape) -> Draft:
    """The derivative at a small integer where it is real and finite."""
    x, a = draw_variable(rng), Integer(rng.randint(-2, 4))
    f = draw_function(rng, operators, shape, [x])
    at = values(sympy.diff(f, x), x, [float(a)])[0]
    require(bool(abs(at) < 1e6 and abs(at.imag) < 1e-12))
    value = sympy.diff(f, x).subs(x, a)
    require(nodes(value) <= 12)
    calls = (f"diff({{f}}, {x}).subs({x}, {a})", f"{{f}}.diff({x}).subs({x}, {a})")
    code = solution(rng, [x], f, calls)
    return finish(rng, "point", f, value, code, x=x, a=a, given=(str(x), "1"))


def draw_partial(rng: Random, operators: int, shape: Shape) -> Draft:
    """A partial derivative of a function of two variables, first, second or mixed."""
    x, y = rng.choice([sympy.symbols("x y"), sympy.symbols("u v"), sympy.symbols("s t")])
    f = draw_function(rng, operators, shape, [x, y])
    chain: list[Symbol] = rng.choice([[x], [y], [x, y], [x, x], [y, y]])
    value = sympy.diff(f, *chain)
    names = ", ".join(map(str, chain))
    by = {1: f"{chain[0]}", 2: f"{chain[0]} and {chain[-1]}"}[len(set(chain))]
    if len(chain) > len(set(chain)):
        by = f"{chain[0]} twice"
    if rng.random() < 0.3:
        code = script(
            [declare([x, y]), f"f = {source(f)}", f"result = f.diff({names})"],
            rng.choice(STYLES),
        )
    else:
        code = solution(rng, [x, y], f, [f"diff({{f}}, {names})"])
    given = (",".join(map(str, chain)), str(len(chain)))
    return finish(rng, "partial", f, value, code, x=x, y=y, by=by, given=given)


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """Orders above 1, points and partial derivatives come in with the difficulty."""
    variant = rng.choice(VARIANTS[difficulty])
    return insist(lambda: draw_variant(rng, variant, difficulty, shape))


def draw_variant(rng: Random, variant: str, difficulty: Difficulty, shape: Shape) -> Draft:
    operators = shape.size(rng, difficulty)
    if variant == "point":
        return draw_point(rng, operators, shape)
    if variant == "partial":
        return draw_partial(rng, operators, shape)
    order = 1 if variant == "first" else integer(rng, 2, 3 if difficulty == "hard" else 2)
    return draw_higher(rng, operators, shape, int(order))


FAMILY = Family("derivatives", PHRASINGS, draw)
