"""Expressions that no family's problem could hold: of any letters, special functions and numbers.

They are only written down, never computed with, so it does not matter what SymPy makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import sympy
from sympy import Expr, Float, I, Integer, Rational, Symbol, pi
from sympy.core.function import Application

from calcgen_ray.corpus.families import Shape
from calcgen_ray.corpus.families.functions import (
    VARIABLES,
    Reject,
    draw_function,
    insist,
    integer,
    is_finite,
    nodes,
    require,
)
from calcgen_ray.corpus.families.rendering import IMPORTED, SPECIAL, text
from calcgen_ray.problem import DIFFICULTIES

Change = Callable[[Random, Expr, Sequence[Symbol]], Expr]
LETTERS = (
    *"aaabbbccddhkkmmnnnpqrrstuvwxxxyyyyzzz", *"ABCDFGHKLMPRTVW",
    "theta", "theta", "phi", "mu", "nu", "alpha", "omega", "sigma", "tau", "rho", "lamda", "delta",
    "x0", "x1", "x2", "y1", "t0", "k1", "a1", "b2",
)  # fmt: skip
"""Of symbols; none is the name of something in SymPy, or of a variable in the scripts."""
OTHERS = (0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3)
"""How many letters stand beside the variable."""
HIGHS = (9, 9, 9, 30, 100, 999)
"""Largest integer of an expression, drawn anew for each."""
MOST_CHARS, MOST_NODES = 150, 70


def draw_letter(rng: Random) -> Symbol:
    """A variable: mostly one of those of textbooks, now and then any letter."""
    return Symbol(rng.choice(VARIABLES if rng.random() < 0.7 else LETTERS))


def draw_expression(rng: Random, x: Symbol, shape: Shape, others: int | None = None) -> Expr:
    """An expression in x, and in `others` more letters where that number is given.

    Raises:
        Reject: the shape leaves nothing to draw.
    """
    return insist(lambda: _drawn(rng, x, shape, others))


def _drawn(rng: Random, x: Symbol, shape: Shape, others: int | None) -> Expr:
    shape = replace(shape, high=rng.choice(HIGHS))
    count = rng.choice(OTHERS) if others is None else others
    letters = dict.fromkeys(rng.choice(LETTERS) for _ in range(4 * count))
    letters.pop(x.name, None)
    symbols = [x, *map(Symbol, list(letters)[:count])]
    size = max(shape.size(rng, rng.choice(DIFFICULTIES)), len(symbols) - 1)
    f = draw_function(rng, size, shape, symbols)
    for change, chance in CHANGES.items():
        if rng.random() < chance:
            f = _changed(change, rng, f, symbols)
    require(x in f.free_symbols and (others is None or len(f.free_symbols) > others))
    require(is_written(f))
    return f


def _changed(change: Change, rng: Random, f: Expr, symbols: Sequence[Symbol]) -> Expr:
    try:
        return change(rng, f, symbols)
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        raise Reject from None  # a function that SymPy refuses to apply to such an argument


def is_written(f: Expr) -> bool:
    """Whether it is short, finite, and made of functions that the scripts know to import."""
    applied = {type(part).__name__ for part in f.atoms(Application)}
    fits = nodes(f) <= MOST_NODES and len(text(f)) <= MOST_CHARS
    return bool(fits and is_finite(f) and applied <= set(IMPORTED))


def special(rng: Random, f: Expr, symbols: Sequence[Symbol]) -> Expr:
    """f within, times or plus functions that the families do not draw."""
    x, made = symbols[0], _called(rng, f, symbols)
    if rng.random() < 0.2:
        made = _either(rng, OPERATORS)(made, _called(rng, f, symbols))
    return _either(rng, WITH)(made, f, x)


def _called(rng: Random, f: Expr, symbols: Sequence[Symbol]) -> Expr:
    name, x, a = rng.choice(list(SPECIAL)), symbols[0], Symbol(rng.choice(LETTERS))
    args = [_either(rng, FIRST)(rng, a) for _ in range(rng.choice(SPECIAL[name]) - 1)]
    args.append(_either(rng, INNER)(rng, x, a, f))
    if rng.random() < 0.3:
        rng.shuffle(args)
    return getattr(sympy, name)(*args)


def power(rng: Random, f: Expr, symbols: Sequence[Symbol]) -> Expr:
    """f beside a power with a letter, a number or a fraction above or below."""
    x, a = symbols[0], Symbol(rng.choice(LETTERS))
    made = _either(rng, POWERS)(x, a, f, integer(rng, 2, 12), integer(rng, -9, 9))
    return _either(rng, BESIDE)(made, f)


def decimal(rng: Random, f: Expr, symbols: Sequence[Symbol]) -> Expr:
    """f with a decimal number in the place of an integer, or before it."""
    number = draw_decimal(rng)
    integers = sorted((n for n in f.atoms(Integer) if abs(n) > 1), key=int)
    if integers and rng.random() < 0.6:
        return f.subs(rng.choice(integers), number)
    return number * f if rng.random() < 0.5 else f + number * symbols[0]


def draw_decimal(rng: Random) -> Float:
    return Float(round(rng.uniform(0.1, 12), rng.choice((1, 1, 2, 3))))


def constant(rng: Random, f: Expr, symbols: Sequence[Symbol]) -> Expr:
    """f times or plus a constant that is no integer: a root, pi, e, a fraction."""
    number = _either(rng, CONSTANTS)(integer(rng, 2, 40), Rational(rng.randint(1, 9), 7))
    if rng.random() < 0.4:
        number *= _either(rng, CONSTANTS)(integer(rng, 2, 16), Rational(1, rng.randint(2, 16)))
    place = rng.choice("**+f")
    if place == "f":
        return f.subs(symbols[0], number * symbols[0])
    return number * f if place == "*" else f + number * symbols[0]


def imaginary(rng: Random, f: Expr, symbols: Sequence[Symbol]) -> Expr:
    """f with the imaginary unit somewhere in it."""
    x = symbols[0]
    if rng.random() < 0.5:
        turned = sympy.exp(rng.choice((1, -1, integer(rng, -4, 4))) * I * x)
        return _either(rng, WITH)(turned, f, x)
    return f.subs(x, I * x) if rng.random() < 0.5 else _either(rng, WITH)(I * x, f, x)


def multiplied(rng: Random, f: Expr, symbols: Sequence[Symbol]) -> Expr:
    """f without brackets."""
    return sympy.expand(f)


def _either(rng: Random, ways: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    return rng.choice(ways)


OPERATORS = (lambda a, b: a * b, lambda a, b: a + b, lambda a, b: a / b)
WITH = (
    *[lambda made, f, x: made] * 3,
    lambda made, f, x: made + f, lambda made, f, x: made * x, lambda made, f, x: made * f,
    lambda made, f, x: made**2,
)  # fmt: skip
BESIDE = (*[lambda made, f: made] * 2, *OPERATORS)
FIRST = (
    *[lambda rng, a: a] * 3, lambda rng, a: Symbol("n"), lambda rng, a: Symbol("nu"),
    lambda rng, a: Integer(rng.randint(0, 5)), lambda rng, a: Rational(1, 2),
)  # fmt: skip
INNER = (
    *[lambda rng, x, a, f: x] * 5, lambda rng, x, a, f: x**2, lambda rng, x, a, f: -x,
    lambda rng, x, a, f: integer(rng, 2, 9) * x, lambda rng, x, a, f: x + integer(rng, 1, 9),
    lambda rng, x, a, f: 1 / x, lambda rng, x, a, f: sympy.sqrt(x), lambda rng, x, a, f: a * x,
    lambda rng, x, a, f: x + a, lambda rng, x, a, f: f,
)  # fmt: skip
POWERS = (
    lambda x, a, f, n, m: x**a, lambda x, a, f, n, m: a**x, lambda x, a, f, n, m: n**x,
    lambda x, a, f, n, m: n ** (x + m), lambda x, a, f, n, m: f**a,
    lambda x, a, f, n, m: (a * x) ** n, lambda x, a, f, n, m: (x + a) ** n,
    lambda x, a, f, n, m: (x + m) ** n, lambda x, a, f, n, m: x**n, lambda x, a, f, n, m: f**n,
    lambda x, a, f, n, m: sympy.exp(a * x), lambda x, a, f, n, m: sympy.exp(-(x**2) / a),
    lambda x, a, f, n, m: x ** Rational(int(m), int(n)), lambda x, a, f, n, m: f**-2,
    lambda x, a, f, n, m: sympy.sqrt(x**2 + a**2), lambda x, a, f, n, m: 1 / (x**2 + a**2),
)  # fmt: skip
CONSTANTS = (
    lambda n, q: sympy.sqrt(n), lambda n, q: 1 / sympy.sqrt(n), lambda n, q: pi,
    lambda n, q: pi / n, lambda n, q: sympy.sqrt(pi), lambda n, q: 1 / sympy.sqrt(pi),
    lambda n, q: sympy.E, lambda n, q: q, lambda n, q: q, lambda n, q: 1 / n,
)  # fmt: skip
CHANGES: dict[Change, float] = {
    special: 0.25, power: 0.12, constant: 0.12, imaginary: 0.04, decimal: 0.04, multiplied: 0.12,
}  # fmt: skip
"""What may be made of a drawn function, one after another, each with its chance."""
