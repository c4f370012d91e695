"""What exercises ask of an expression: the fields of the wording and the calls that answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from sympy import Expr, Integer, Rational, Symbol, oo, pi

from calcgen_ray.corpus.broad import LETTERS, draw_decimal, draw_expression
from calcgen_ray.corpus.families import Shape
from calcgen_ray.corpus.families.functions import draw_function, insist
from calcgen_ray.corpus.families.rendering import source

NTH = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of f in x: the variant of the wording, its fields, and the calls that do it.

    Fields that are expressions may hold letters of their own.
    """

    variant: str
    calls: tuple[str, ...]
    fields: Mapping[str, Any]


Operation = Callable[[Random, Expr, Symbol], Call]


def draw_value(rng: Random, low: int = -12, high: int = 12) -> Any:
    """A number to put in: mostly an integer, now and then a fraction, a decimal, pi, a letter."""
    roll = rng.random()
    if roll < 0.7:
        return Integer(rng.randint(low, high))
    if roll < 0.8:
        return Rational(rng.randint(low, high), rng.randint(2, 9))
    if roll < 0.88:
        return draw_decimal(rng)
    return rng.choice((-1, 1, 1, 2, Rational(1, 2))) * pi / rng.randint(1, 6)


def first(rng: Random, f: Expr, x: Symbol) -> Call:
    return Call("first", (f"diff({{f}}, {x})", f"diff({{f}}, {x})", f"{{f}}.diff({x})"), {})


def higher(rng: Random, f: Expr, x: Symbol) -> Call:
    n = rng.choice((2, 2, 2, 3, 3, 4, 5))
    fields = {"n": str(n), "nth": NTH[n], "times": TIMES[n]}
    call = f"diff({{f}}, {x}, {n})"
    return Call("higher", (call, call, f"{{f}}.diff({x}, {n})"), fields)


def at_point(rng: Random, f: Expr, x: Symbol) -> Call:
    a = draw_value(rng)
    calls = (f"diff({{f}}, {x}).subs({x}, {source(a)})", f"{{f}}.diff({x}).subs({x}, {source(a)})")
    return Call("point", calls, {"a": a})


def partial(rng: Random, f: Expr, x: Symbol) -> Call:
    y = rng.choice([s for s in sorted(f.free_symbols, key=str) if s != x])
    chain = rng.choice(([x], [y], [x], [y], [x, y], [x, x], [y, y]))
    by = " and ".join(map(str, chain)) if len(set(chain)) == len(chain) else f"{chain[0]} twice"
    return Call("partial", (f"diff({{f}}, {', '.join(map(str, chain))})",), {"y": y, "by": by})


def indefinite(rng: Random, f: Expr, x: Symbol) -> Call:
    calls = (f"integrate({{f}}, {x})", f"integrate({{f}}, {x})", f"{{f}}.integrate({x})")
    return Call("indefinite", calls, {})


def proper(rng: Random, f: Expr, x: Symbol) -> Call:
    low, high = draw_ends(rng, x)
    call = f"integrate({{f}}, ({x}, {source(low)}, {source(high)}))"
    return Call("proper", (call,), {"a": low, "b": high})


def draw_ends(rng: Random, x: Symbol) -> tuple[Any, Any]:
    """Two integers, 0 and a part of pi, two other numbers, or letters."""
    roll = rng.random()
    if roll < 0.55:
        low, high = sorted(rng.sample(range(-9, 13), 2))
        return Integer(low), Integer(high)
    if roll < 0.7:
        return Integer(0), rng.choice((pi, pi / 2, pi / 3, pi / 4, pi / 6, 2 * pi))
    letters = [Symbol(name) for name in rng.sample(LETTERS, 4) if name != x.name]
    if roll < 0.85:
        return rng.choice((Integer(0), Integer(1), -letters[0], letters[1])), letters[0]
    low, high = sorted((draw_value(rng, 0), draw_value(rng, 1)), key=float)
    return low, high


def improper(rng: Random, f: Expr, x: Symbol) -> Call:
    low = rng.choice((*map(Integer, (0, 0, 0, 1, 2, 3)), -oo, Symbol("a")))
    return Call("improper", (f"integrate({{f}}, ({x}, {low}, oo))",), {"a": low, "b": oo})


def limit(rng: Random, f: Expr, x: Symbol) -> Call:
    return _limit("point", x, rng.choice((Integer(0), draw_value(rng))), "", "both")


def one_sided(rng: Random, f: Expr, x: Symbol) -> Call:
    side = rng.choice("+-")
    return _limit("side", x, rng.choice((Integer(0), draw_value(rng))), f", '{side}'",
                  {"+": "right", "-": "left"}[side])  # fmt: skip


def far(rng: Random, f: Expr, x: Symbol) -> Call:
    return _limit("infinity", x, rng.choice((oo, oo, oo, -oo)), "", "both")


def _limit(variant: str, x: Symbol, a: Any, more: str, side: str) -> Call:
    call = f"limit({{f}}, {x}, {source(a)}{more})"
    method = f"{{f}}.limit({x}, {source(a)}{more})"
    return Call(variant, (call, call, method), {"a": a, "side": side})


def maclaurin(rng: Random, f: Expr, x: Symbol) -> Call:
    return _series("maclaurin", x, 0, rng.randint(2, 12))


def taylor(rng: Random, f: Expr, x: Symbol) -> Call:
    return _series("taylor", x, rng.randint(1, 5), rng.randint(2, 12))


def polynomial(rng: Random, f: Expr, x: Symbol) -> Call:
    return _series("polynomial", x, rng.randint(0, 4), rng.randint(2, 12), ".removeO()")


def _series(variant: str, x: Symbol, a: int, n: int, tail: str = "") -> Call:
    calls = (f"series({{f}}, {x}, {a}, {n}){tail}", f"{{f}}.series({x}, {a}, {n}){tail}")
    return Call(variant, calls, {"a": str(a), "n": str(n), "m": str(n - 1)})


def critical(rng: Random, f: Expr, x: Symbol) -> Call:
    return Call("critical", (f"solve(diff({{f}}, {x}), {x})",), {})


def substitute(rng: Random, f: Expr, x: Symbol) -> Call:
    a = draw_value(rng)
    return Call("substitute", (f"{{f}}.subs({x}, {source(a)})",), {"a": a})


def compose(rng: Random, f: Expr, x: Symbol) -> Call:
    g = _other(rng, x)
    return Call("compose", (f"{{f}}.subs({x}, g)", f"{{f}}.subs({x}, {source(g)})"), {"g": g})


def zero(rng: Random, f: Expr, x: Symbol) -> Call:
    calls = (f"solve({{f}}, {x})", f"solve({{f}}, {x})", f"solve(Eq({{f}}, 0), {x})")
    return Call("zero", calls, {})


def equation(rng: Random, f: Expr, x: Symbol) -> Call:
    g = rng.choice((draw_value(rng), draw_value(rng), _other(rng, x)))
    calls = (f"solve(Eq({{f}}, {source(g)}), {x})", f"solve(Eq({{f}}, g), {x})")
    return Call("equation", calls, {"g": g})


def _other(rng: Random, x: Symbol) -> Any:
    """Another expression: of the same variable, of any letters, or a letter alone."""
    roll, shape = rng.random(), Shape()
    if roll < 0.6:
        return insist(lambda: draw_function(rng, shape.size(rng, "easy"), shape, [x]))
    if roll < 0.85:
        return draw_expression(rng, Symbol(rng.choice(LETTERS)), shape)
    return rng.choice((-1, 1, 1, 2, pi)) * Symbol(rng.choice(LETTERS))


def rewriting(name: str) -> Operation:
    """Of `expand`, `factor`, ...: the function or the method of that name."""
    calls = (f"{name}({{f}})", f"{name}({{f}})", f"{{f}}.{name}()")
    return lambda rng, f, x: Call(name, calls, {})


def apart(rng: Random, f: Expr, x: Symbol) -> Call:
    return Call("apart", (f"apart({{f}}, {x})", f"{{f}}.apart({x})"), {})


OPERATIONS: Mapping[tuple[str, Operation], int] = {
    ("derivatives", first): 7,
    ("derivatives", higher): 5,
    ("derivatives", at_point): 5,
    ("derivatives", partial): 0,  # weighed by the letters that there are
    ("integrals", indefinite): 8,
    ("definite_integrals", proper): 8,
    ("definite_integrals", improper): 4,
    ("limits", limit): 6,
    ("limits", one_sided): 4,
    ("limits", far): 4,
    ("series", maclaurin): 5,
    ("series", taylor): 4,
    ("series", polynomial): 4,
    ("extrema", critical): 5,
    ("expressions", substitute): 6,
    ("expressions", compose): 5,
    ("expressions", apart): 3,
    **{("expressions", rewriting(name)): 3 for name in ("expand", "factor", "cancel", "together")},
    ("expressions", rewriting("simplify")): 5,
    ("equations", zero): 6,
    ("equations", equation): 6,
}
"""By the words that ask for it and what is asked of f, with the weight that it is drawn with."""
