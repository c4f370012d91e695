"""Symbolic expressions: expand, factor, put together, take apart, substitute, compose, simplify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    is_neat,
    nodes,
    require,
)
from calcgen_ray.corpus.families.rendering import STYLES, declare, script, solution, source, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.families.values import agree, values
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "expand": (
        "Expand {f}.",
        "Multiply out {f}.",
        "Write {f} without brackets.",
        "Expand the product {f} in {x}.",
        "Let p = {f}. Expand p.",
    ),
    "factor": (
        "Factor {f}.",
        "Write {f} as a product.",
        "Factor the polynomial {f} completely.",
        "Split {f} into its factors.",
    ),
    "cancel": (
        "Simplify the fraction {f}.",
        "Cancel the common factors in {f}.",
        "Reduce {f} to lowest terms.",
    ),
    "together": (
        "Write {f} as a single fraction.",
        "Put {f} over a common denominator.",
        "Combine the fractions in {f}.",
    ),
    "apart": (
        "Find the partial fractions of {f}.",
        "Decompose {f} into partial fractions.",
        "Write {f} as a sum of simple fractions.",
    ),
    "simplify": (
        "Simplify {f}.",
        "Use a trigonometric identity to simplify {f}.",
        "Bring {f} to its shortest form.",
    ),
    "substitute": (
        "Evaluate {f} at {x} = {a}.",
        "Substitute {x} = {a} into {f}.",
        "Let f({x}) = {f}. Compute f({a}).",
        "What is the exact value of {f} for {x} = {a}?",
    ),
    "compose": (
        "Let f({x}) = {f} and g({x}) = {g}. Find f(g({x})).",
        "Replace {x} by {g} in {f}.",
        "Compose f({x}) = {f} with g({x}) = {g}.",
        "Substitute {g} for {x} in {f}.",
    ),
}
VARIANTS: dict[Difficulty, tuple[str, ...]] = {
    "easy": ("expand", "substitute", "factor"),
    "medium": ("expand", "factor", "together", "substitute", "compose", "cancel"),
    "hard": ("expand", "factor", "together", "apart", "simplify", "compose", "substitute"),
}
POLYNOMIAL = {"unary": {"pow2": 1, "pow3": 1}, "binary": {"add": 3, "sub": 2, "mul": 3}}
RATIONAL = {"unary": {"pow2": 1}, "binary": {"add": 3, "sub": 2, "mul": 1, "div": 4}}


@dataclass(frozen=True, slots=True)
class Work:
    """An operation done: what to ask, of what, with which calls, and the answer."""

    function: Any
    calls: tuple[str, ...]
    value: Any
    fields: Mapping[str, Any]


def limited(shape: Shape, weights: Mapping[str, Mapping[str, int]]) -> Shape:
    """The same shape with operators of one algebraic kind only."""
    return replace(shape, unary=weights["unary"], binary=weights["binary"])


def once(name: str) -> tuple[str, ...]:
    """Calls of a SymPy function, as a function and as a method."""
    return (f"{name}({{f}})", f"{name}({{f}})", f"{{f}}.{name}()")


def expand(rng: Random, planned: int, shape: Shape, x: Symbol) -> Work:
    f = draw_function(rng, planned + 1, limited(shape, POLYNOMIAL), [x])
    require(sympy.degree(f, x) <= 8)
    return Work(f, once("expand"), sympy.expand(f), {})


def factor(rng: Random, planned: int, shape: Shape, x: Symbol) -> Work:
    """A multiplied-out product of linear factors and at most one random polynomial."""
    product = draw_function(rng, planned, limited(shape, POLYNOMIAL), [x])
    for _ in range(rng.randint(1, 2)):
        product *= x + integer(rng, -7, 7)
    f = sympy.expand(product)
    require(sympy.degree(f, x) <= 6)
    return Work(f, once("factor"), sympy.factor(f), {})


def cancel(rng: Random, planned: int, shape: Shape, x: Symbol) -> Work:
    """A fraction whose two sides share a linear factor, multiplied out."""
    common = x + integer(rng, -7, 7)
    above = draw_function(rng, max(1, planned - 1), limited(shape, POLYNOMIAL), [x])
    below = integer(rng, 1, 5) * x + integer(rng, -7, 7)
    f = sympy.expand(above * common) / sympy.expand(below * common)
    require(sympy.degree(above, x) <= 4)
    return Work(f, (*once("cancel"), "simplify({f})"), sympy.cancel(f), {})


def together(rng: Random, planned: int, shape: Shape, x: Symbol) -> Work:
    f = draw_function(rng, planned + 1, limited(shape, RATIONAL), [x])
    require(bool(f.is_Add) and not f.is_polynomial(x))
    return Work(f, once("together"), sympy.together(f), {})


def apart(rng: Random, planned: int, shape: Shape, x: Symbol) -> Work:
    """A fraction over a product of two or three different linear factors, or a square."""
    roots = [Integer(n) for n in rng.sample(range(-6, 7), rng.randint(2, 3))]
    below = sympy.prod(x - root for root in roots)
    if len(roots) == 2 and rng.random() < 0.4:
        below *= x - roots[0]
    above = draw_function(rng, max(1, planned - 2), limited(shape, POLYNOMIAL), [x])
    require(sympy.degree(above, x) <= 4)
    f = sympy.expand(above) / (sympy.expand(below) if rng.random() < 0.5 else below)
    return Work(f, (f"apart({{f}}, {x})", f"{{f}}.apart({x})"), sympy.apart(f, x), {})


def simplify(rng: Random, planned: int, shape: Shape, x: Symbol) -> Work:
    """A random function hidden behind a trigonometric identity of its own argument."""
    a = draw_function(rng, max(1, planned - 3), limited(shape, POLYNOMIAL), [x])
    u = integer(rng, 1, 5) * x
    sin, cos = sympy.sin(u), sympy.cos(u)
    f, value = rng.choice(
        [
            (sympy.expand(a * sin**2) + sympy.expand(a * cos**2), a),
            (a * (1 - sin**2) / cos, a * cos),
            (a * (1 - cos**2) / sin, a * sin),
            (a + 2 * sin * cos, a + sympy.sin(2 * u)),
            (a + cos**2 - sin**2, a + sympy.cos(2 * u)),
            (a * (sin + cos) ** 2 - 2 * a * sin * cos, a),
            (a * sympy.tan(u) * cos, a * sin),
        ]
    )
    require(nodes(f) <= 34 and nodes(sympy.simplify(f)) < nodes(f))
    return Work(f, ("simplify({f})", "simplify({f})", "{f}.simplify()"), sympy.expand(value), {})


def substitute(rng: Random, planned: int, shape: Shape, x: Symbol) -> Work:
    f, a = draw_function(rng, planned, shape, [x]), Integer(rng.randint(-3, 5))
    at = values(f, x, [float(a)])[0]
    require(bool(abs(at) < 1e6 and abs(at.imag) < 1e-12))
    return Work(f, (f"{{f}}.subs({x}, {a})",), f.subs(x, a), {"a": a})


def compose(rng: Random, planned: int, shape: Shape, x: Symbol) -> Work:
    first = rng.randint(1, max(1, planned - 1))
    f = draw_function(rng, first, shape, [x])
    g = draw_function(rng, max(1, planned - first), shape, [x])
    return Work(f, (f"f.subs({x}, g)",), f.subs(x, g), {"g": g})


WAYS = {
    "expand": expand,
    "factor": factor,
    "cancel": cancel,
    "together": together,
    "apart": apart,
    "simplify": simplify,
    "substitute": substitute,
    "compose": compose,
}


def is_right(variant: str, work: Work, x: Symbol) -> bool:
    """Whether the answer has the values of the question, and is not the question itself."""
    if variant in ("substitute", "compose"):
        return variant == "substitute" or bool(work.value.has(x))
    return work.value != work.function and agree(work.function, work.value, x)


def code_of(rng: Random, variant: str, work: Work, x: Symbol) -> str:
    if variant != "compose":
        return solution(rng, [x], work.function, work.calls)
    lines = [declare([x]), f"f = {source(work.function)}", f"g = {source(work.fields['g'])}"]
    return script([*lines, f"result = {work.calls[0]}"], rng.choice(STYLES))


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """Brackets and values first; fractions, composition and identities later."""
    x, variant = draw_variable(rng), rng.choice(VARIANTS[difficulty])
    return insist(lambda: draw_variant(rng, variant, difficulty, shape, x))


def draw_variant(
    rng: Random, variant: str, difficulty: Difficulty, shape: Shape, x: Symbol
) -> Draft:
    work = WAYS[variant](rng, shape.size(rng, difficulty), shape, x)
    require(work.function.has(x) and nodes(work.function) <= 40 and is_neat(work.function))
    require(nodes(work.value) <= NODES and is_elementary(work.value))
    require(is_right(variant, work, x))
    question = ask(variant, f=work.function, x=x, **work.fields)
    given = {"function": text(work.function), "variable": str(x), "operation": variant}
    expected = Expected(Kind.EXPRESSION, text(work.value), given)
    both = (work.function, work.fields["g"]) if "g" in work.fields else work.function
    code = code_of(rng, variant, work, x)
    return Draft(question, code, expected, f"expression: {skeleton(both)}")


FAMILY = Family("expressions", PHRASINGS, draw)
