"""Drills that ask for something: a statement in words and the call that answers it, never made.

Nothing is computed, so an exercise costs a thirtieth of a problem and its expressions may be any:
of several letters, with large numbers, with functions of which the families know nothing. Whether
SymPy finds an answer does not matter; that the call is the right one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import sympy
from sympy import Expr, Integer, Symbol, oo, pi

from calcgen_ray.corpus.families import FAMILIES, Shape
from calcgen_ray.corpus.families.drafts import Phrasings, ask, phrase
from calcgen_ray.corpus.families.functions import (
    draw_function,
    draw_variable,
    insist,
    integer,
    require,
)
from calcgen_ray.corpus.families.rendering import (
    SPECIAL,
    STYLES,
    declare,
    script,
    solution,
    source,
    text,
)
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.variety import varied
from calcgen_ray.problem import DIFFICULTIES

PARAMETERS = ("a", "b", "c", "k", "m", "n", "p", "q", "r", "theta", "phi", "mu", "nu", "alpha",
              "y", "y", "y", "z", "t", "v", "s")  # fmt: skip
NTH = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}
KINDS = {
    "derivatives": "derivative", "integrals": "integral", "definite_integrals": "integral",
    "limits": "limit", "series": "series", "extrema": "extremum", "expressions": "expression",
}  # fmt: skip
HIGHS = (9, 9, 9, 30, 100)
"""Largest integer of an expression, drawn anew for each."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of f in x: the variant of the wording, its fields, and the calls that do it."""

    variant: str
    calls: tuple[str, ...]
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Exercise:
    """A statement, the code below it, and the skeleton as problems have it, with its kind."""

    statement: str
    code: str
    skeleton: str


def make_exercise(rng: Random, shape: Shape) -> Exercise:
    """Draws an operation, an expression for it, and words.

    Raises:
        Reject: the shape leaves nothing to draw.
    """
    x = draw_variable(rng)
    family, draw = rng.choices(list(OPERATIONS), WEIGHTS)[0]
    several = 1.0 if draw is partial else 0.2
    f, symbols = insist(lambda: draw_expression(rng, x, shape, several))
    call = draw(rng, f, x)
    question = ask(call.variant, **{"f": f, "x": x, **call.fields})
    wordings = varied(FAMILIES[family])
    if len(symbols) > 1:
        wordings = _naming(wordings, call)
    _, statement = phrase(rng, wordings, question)
    form = skeleton((f, call.fields["g"]) if "g" in call.fields else f)
    return Exercise(statement, _code(rng, symbols, f, call), f"{KINDS[family]}: {form}")


def draw_expression(
    rng: Random, x: Symbol, shape: Shape, several: float
) -> tuple[Expr, list[Symbol]]:
    """An expression in x, now and then multiplied out or of special functions.

    `several` is the chance of other letters in it.
    """
    shape = replace(shape, high=rng.choice(HIGHS))
    symbols = [x]
    if rng.random() < several:
        letters = [name for name in PARAMETERS if name != str(x)]
        symbols += [Symbol(name) for name in rng.sample(letters, rng.choice((1, 1, 2)))]
    f = draw_function(rng, shape.size(rng, rng.choice(DIFFICULTIES)), shape, symbols)
    if rng.random() < 0.2:
        f = sympy.expand(f)
    if rng.random() < 0.15:
        f = _special(rng, f, x)
    require(set(symbols) <= f.free_symbols)
    return f, sorted(f.free_symbols, key=str)


def _special(rng: Random, f: Expr, x: Symbol) -> Expr:
    """f within, times or plus a function that the families do not draw."""
    name, arity = rng.choice(list(SPECIAL.items()))
    inner = rng.choice((x, x, x**2, integer(rng, 2, 9) * x, f))
    first = rng.choice((Symbol("n"), Symbol("nu"), Integer(rng.randint(0, 5))))
    made = getattr(sympy, name)(*([first] * (arity - 1)), inner)
    return rng.choice((made, made, made + f, made * x, made * f))  # type: ignore[no-any-return]


def _naming(wordings: Phrasings, call: Call) -> Phrasings:
    """Those wordings of the call's variant that say which letter is meant."""
    word = "{by}" if "by" in call.fields else "{x}"
    every = wordings[call.variant]
    return {call.variant: tuple(t for t in every if word in t) or every}


def _code(rng: Random, symbols: list[Symbol], f: Expr, call: Call) -> str:
    if "g" not in call.fields:
        return solution(rng, symbols, f, call.calls)
    lines = [declare(symbols), f"f = {source(f)}", f"g = {source(call.fields['g'])}"]
    return script([*lines, f"result = {rng.choice(call.calls)}"], rng.choice(STYLES))


def first(rng: Random, f: Expr, x: Symbol) -> Call:
    return Call("first", (f"diff({{f}}, {x})", f"diff({{f}}, {x})", f"{{f}}.diff({x})"), {})


def higher(rng: Random, f: Expr, x: Symbol) -> Call:
    n = rng.choice((2, 2, 2, 3, 3, 4, 5))
    fields = {"n": str(n), "nth": NTH[n], "times": TIMES[n]}
    call = f"diff({{f}}, {x}, {n})"
    return Call("higher", (call, call, f"{{f}}.diff({x}, {n})"), fields)


def at_point(rng: Random, f: Expr, x: Symbol) -> Call:
    a = Integer(rng.randint(-9, 9))
    calls = (f"diff({{f}}, {x}).subs({x}, {a})", f"{{f}}.diff({x}).subs({x}, {a})")
    return Call("point", calls, {"a": a})


def partial(rng: Random, f: Expr, x: Symbol) -> Call:
    y = rng.choice([s for s in sorted(f.free_symbols, key=str) if s != x])
    chain = rng.choice(([x], [y], [x, y], [x, x], [y, y]))
    by = " and ".join(map(str, chain)) if len(set(chain)) == len(chain) else f"{chain[0]} twice"
    return Call("partial", (f"diff({{f}}, {', '.join(map(str, chain))})",), {"y": y, "by": by})


def indefinite(rng: Random, f: Expr, x: Symbol) -> Call:
    calls = (f"integrate({{f}}, {x})", f"integrate({{f}}, {x})", f"{{f}}.integrate({x})")
    return Call("indefinite", calls, {})


def proper(rng: Random, f: Expr, x: Symbol) -> Call:
    low, high = sorted(rng.sample(range(-9, 13), 2))
    ends: tuple[Any, Any] = Integer(low), Integer(high)
    if rng.random() < 0.2:
        ends = Integer(0), rng.choice((pi, pi / 2, pi / 3, pi / 4, pi / 6, 2 * pi))
    call = f"integrate({{f}}, ({x}, {text(ends[0])}, {text(ends[1])}))"
    return Call("proper", (call,), {"a": ends[0], "b": ends[1]})


def improper(rng: Random, f: Expr, x: Symbol) -> Call:
    low = Integer(rng.choice((0, 0, 0, 1, 2, 3)))
    return Call("improper", (f"integrate({{f}}, ({x}, {low}, oo))",), {"a": low, "b": oo})


def limit(rng: Random, f: Expr, x: Symbol) -> Call:
    a = rng.choice((Integer(0), Integer(rng.randint(-9, 9)), pi, pi / 2))
    return _limit("point", x, a, "", "both")


def one_sided(rng: Random, f: Expr, x: Symbol) -> Call:
    side = rng.choice("+-")
    return _limit("side", x, Integer(rng.randint(-9, 9)), f", '{side}'",
                  {"+": "right", "-": "left"}[side])  # fmt: skip


def far(rng: Random, f: Expr, x: Symbol) -> Call:
    return _limit("infinity", x, rng.choice((oo, oo, oo, -oo)), "", "both")


def _limit(variant: str, x: Symbol, a: Any, more: str, side: str) -> Call:
    call = f"limit({{f}}, {x}, {text(a)}{more})"
    return Call(variant, (call, call, f"{{f}}.limit({x}, {text(a)}{more})"), {"a": a, "side": side})


def maclaurin(rng: Random, f: Expr, x: Symbol) -> Call:
    return _series("maclaurin", x, 0, rng.randint(2, 9))


def taylor(rng: Random, f: Expr, x: Symbol) -> Call:
    return _series("taylor", x, rng.randint(1, 5), rng.randint(2, 9))


def polynomial(rng: Random, f: Expr, x: Symbol) -> Call:
    return _series("polynomial", x, rng.randint(0, 4), rng.randint(2, 9), ".removeO()")


def _series(variant: str, x: Symbol, a: int, n: int, tail: str = "") -> Call:
    calls = (f"series({{f}}, {x}, {a}, {n}){tail}", f"{{f}}.series({x}, {a}, {n}){tail}")
    return Call(variant, calls, {"a": str(a), "n": str(n), "m": str(n - 1)})


def critical(rng: Random, f: Expr, x: Symbol) -> Call:
    return Call("critical", (f"solve(diff({{f}}, {x}), {x})",), {})


def substitute(rng: Random, f: Expr, x: Symbol) -> Call:
    a = Integer(rng.randint(-12, 12))
    return Call("substitute", (f"{{f}}.subs({x}, {a})",), {"a": a})


def compose(rng: Random, f: Expr, x: Symbol) -> Call:
    shape = Shape()
    g = insist(lambda: draw_function(rng, shape.size(rng, "easy"), shape, [x]))
    return Call("compose", (f"f.subs({x}, g)",), {"g": g})


def rewriting(name: str) -> Callable[[Random, Expr, Symbol], Call]:
    """Of `expand`, `factor`, ...: the function or the method of that name."""
    calls = (f"{name}({{f}})", f"{name}({{f}})", f"{{f}}.{name}()")
    return lambda rng, f, x: Call(name, calls, {})


def apart(rng: Random, f: Expr, x: Symbol) -> Call:
    return Call("apart", (f"apart({{f}}, {x})", f"{{f}}.apart({x})"), {})


OPERATIONS: Mapping[tuple[str, Callable[[Random, Expr, Symbol], Call]], int] = {
    ("derivatives", first): 6,
    ("derivatives", higher): 5,
    ("derivatives", at_point): 5,
    ("derivatives", partial): 4,
    ("integrals", indefinite): 8,
    ("definite_integrals", proper): 8,
    ("definite_integrals", improper): 3,
    ("limits", limit): 7,
    ("limits", one_sided): 4,
    ("limits", far): 4,
    ("series", maclaurin): 6,
    ("series", taylor): 5,
    ("series", polynomial): 5,
    ("extrema", critical): 5,
    ("expressions", substitute): 4,
    ("expressions", compose): 4,
    ("expressions", apart): 3,
    **{
        ("expressions", rewriting(name)): 3
        for name in ("expand", "factor", "cancel", "together", "simplify")
    },
}
"""By family and what is asked of it, with the weight that it is drawn with."""
WEIGHTS = tuple(OPERATIONS.values())
