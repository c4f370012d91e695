"""Random functions: the nodes of a random tree filled with operators, variables and integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

import sympy
from sympy import Expr, Integer, Symbol

from calcgen_ray.corpus.families.trees import Shape, draw_tree
from calcgen_ray.corpus.families.values import CALLS, GRID, real_points, walk_quietly

Drawn = TypeVar("Drawn")
NODES = 60
VARIABLES = ("x", "x", "x", "t", "u", "y", "z", "s", "w")
"""Variable names, as often as they are in calculus texts."""

APPLY: Mapping[str, Callable[..., Any]] = {
    "sqrt": sympy.sqrt,
    "pow2": lambda a: a**2,
    "pow3": lambda a: a**3,
    "log": sympy.log,
    "exp": sympy.exp,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": sympy.tan,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
}


class Reject(Exception):
    """This draw is no good problem: draw again."""


def require(good: bool) -> None:
    """Raises Reject unless `good`."""
    if not good:
        raise Reject


def insist(draw: Callable[[], Drawn], draws: int = 200) -> Drawn:
    """The first good draw, so that a form once chosen is not passed over for an easier one.

    Raises Reject when that many were no good.
    """
    for _ in range(draws):
        try:
            return draw()
        except Reject:
            continue
    raise Reject


def draw_variable(rng: Random) -> Symbol:
    return Symbol(rng.choice(VARIABLES))


def integer(rng: Random, low: int, high: int) -> Integer:
    """An integer within both ends, never 0."""
    return Integer(rng.choice([n for n in range(low, high + 1) if n]))


def pick(rng: Random, weights: Mapping[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def nodes(expr: Any) -> int:
    """The number of nodes of an expression."""
    return 1 + sum(nodes(arg) for arg in expr.args)


def is_finite(expr: Any) -> bool:
    """Whether no infinity or undefined value stands anywhere in it."""
    return not expr.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo, sympy.AccumBounds)


def is_elementary(expr: Any) -> bool:
    """Whether it is finite, real in form, and free of unevaluated parts and special functions."""
    if not is_finite(expr) or expr.has(sympy.I, sympy.Piecewise):
        return False
    inner = (sympy.Add, sympy.Mul, sympy.Pow, *(getattr(sympy, name) for name in CALLS))
    return all(not part.args or isinstance(part, inner) for part in sympy.preorder_traversal(expr))


def operators(expr: Any) -> int:
    """The number of unary and binary operators in it: a sum of three terms has two."""
    own = len(expr.args) - 1 if expr.is_Add or expr.is_Mul else int(bool(expr.args))
    return own + sum(operators(arg) for arg in expr.args)


def is_neat(expr: Any) -> bool:
    """Whether it has no function of a constant (cos(6)), no unwieldy number, no log of exp."""
    numbers = expr.atoms(sympy.Rational)
    inner = [sympy.Mul.make_args(part.args[0]) for part in expr.atoms(sympy.log)]
    if any(isinstance(factor, sympy.exp) for factors in inner for factor in factors):
        return False
    return (
        not expr.has(sympy.E)
        and all(part.free_symbols for part in expr.atoms(sympy.Function))
        and all(number.q < 100 and abs(number.p) < 1000 for number in numbers)
    )


def draw_leaves(rng: Random, number: int, shape: Shape, variables: Sequence[Symbol]) -> list[Expr]:
    """Variables and integers in the wanted shares, each variable at least once where they fit."""
    leaves: list[Expr] = [
        rng.choice(variables)
        if rng.random() < shape.variable_share
        else Integer(rng.randint(shape.low, shape.high))
        for _ in range(number)
    ]
    places = rng.sample(range(number), min(number, len(variables)))
    for place, variable in zip(places, variables, strict=False):
        if variable not in leaves:
            leaves[place] = variable
    return leaves


def fill(rng: Random, tree: Sequence[int], shape: Shape, variables: Sequence[Symbol]) -> Expr:
    """The expression of a tree given as arities in prefix order."""
    leaves = iter(draw_leaves(rng, tree.count(0), shape, variables))

    def build(arities: Iterator[int]) -> Any:
        arity = next(arities)
        if arity == 0:
            return next(leaves)
        name = pick(rng, shape.unary if arity == 1 else shape.binary)
        return APPLY[name](*[build(arities) for _ in range(arity)])

    return build(iter(tree))


def draw_function(rng: Random, planned: int, shape: Shape, variables: Sequence[Symbol]) -> Expr:
    """A random function of all the variables, from a tree with `planned` operators.

    Raises Reject when it is constant in one of them, nowhere real, too long, or when SymPy's own
    evaluation has left fewer operators than planned.
    """
    tree = draw_tree(rng, planned)
    expr = fill(rng, tree, shape, variables)
    require(expr.free_symbols == set(variables))
    require(is_finite(expr) and not expr.has(sympy.I) and nodes(expr) <= NODES)
    require(operators(expr) >= planned and is_neat(expr))
    grids = {v: GRID + shift for shift, v in enumerate(variables)}
    require(int(real_points(walk_quietly(expr, grids)).sum()) >= 3)
    return expr
