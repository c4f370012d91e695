"""Expressions with one thing changed, and the check by SymPy's evalf that labels them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from random import Random
from typing import Any

import sympy as sp

x, y, t = sp.symbols("x y t")
C, C1, C2 = sp.symbols("C C1 C2")
POINTS = [sp.Rational(n, 97) for n in (31, 61, 139, 173, 257, 311, 421, -41, -83, -157)]
SWAPS = {sp.sin: sp.cos, sp.cos: sp.sin, sp.exp: sp.cosh, sp.log: sp.atan, sp.atan: sp.asinh}


def value(expr: Any, point: Any) -> Any:
    """By SymPy, 30 digits; None where it is not a finite real number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sp.N(expr.subs({x: point, y: point / 3 + 1, C: 2, t: point}), 30)
    if not found.is_number or found.has(sp.nan, sp.zoo, sp.oo):
        return None
    re, im = found.as_real_imag()
    return re if abs(im) < sp.Float("1e-20") else None


def gaps(left: Any, right: Any) -> list[Any]:
    """Relative differences at the points where both are real."""
    both = [(value(left, p), value(right, p)) for p in POINTS]
    return [abs(a - b) / (1 + abs(a)) for a, b in both if a is not None and b is not None]


def is_same(left: Any, right: Any) -> bool:
    found = gaps(left, right)
    return len(found) >= 3 and max(found) < 1e-12


def is_other(left: Any, right: Any) -> bool:
    found = gaps(left, right)
    return len(found) >= 3 and max(found) > 1e-6


def mutants(expr: Any, rng: Random) -> Iterator[tuple[str, Any]]:
    """The expression with one thing changed, in up to five ways."""
    numbers = sorted(
        (p for p in sp.preorder_traversal(expr) if p.is_Rational and p not in (0, -1)), key=str
    )
    if numbers:
        number = rng.choice(numbers)
        yield "coefficient", replaced(expr, number, number + rng.choice([1, -1, 2]))
    terms = list(sp.Add.make_args(sp.expand(expr)))
    if len(terms) > 1:
        place = rng.randrange(len(terms))
        yield "sign", sp.Add(*terms[:place], -terms[place], *terms[place + 1 :])
        yield "term", sp.Add(*terms[:place], *terms[place + 1 :])
    else:
        yield "sign", -expr
    calls = sorted((c for c in expr.atoms(sp.Function) if c.func in SWAPS), key=str)
    if calls:
        call = rng.choice(calls)
        yield "function", expr.subs(call, SWAPS[call.func](*call.args))
    yield "argument", expr.subs(x, x + sp.Rational(1, rng.choice([5, 50])))
    yield "offset", expr + sp.Rational(1, rng.choice([3, 1000, 10**6]))


def replaced(expr: Any, old: Any, new: Any) -> Any:
    """The first place where `old` stands."""
    if expr == old:
        return new
    args = list(expr.args)
    for place, arg in enumerate(args):
        if arg.has(old) or arg == old:
            args[place] = replaced(arg, old, new)
            return expr.func(*args)
    return expr
