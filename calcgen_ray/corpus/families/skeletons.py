"""The form of an expression without its constants and names: what splits are drawn by."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any


def skeleton(expr: Any) -> str:
    """The expression with every constant as c and its symbols as v0, v1, ..., in canonical text.

    Constants are whole subexpressions without a symbol, so 2, 1/3, pi and sqrt(2) are all c, in
    sums, products and powers alike. Names do not matter: of all numberings of up to four symbols
    the first in the alphabet counts. Several expressions may be given as a tuple.
    """
    parts = expr if isinstance(expr, tuple) else (expr,)
    symbols = sorted({s for part in parts for s in part.free_symbols}, key=str)
    orders = permutations(range(len(symbols))) if len(symbols) <= 4 else [range(len(symbols))]
    return min(
        "; ".join(mask(part, dict(zip(symbols, order, strict=True))) for part in parts)
        for order in orders
    )


def mask(expr: Any, numbers: Mapping[Any, int]) -> str:
    """The masked text for one numbering of the symbols."""
    if not expr.free_symbols:
        return "c"
    if expr.is_Symbol:
        return f"v{numbers[expr]}"
    parts = [mask(arg, numbers) for arg in expr.args]
    if expr.is_Add or expr.is_Mul:
        parts = sorted(part for part in parts if part != "c") + ["c"] * ("c" in parts)
        return f"{'add' if expr.is_Add else 'mul'}({', '.join(parts)})"
    return f"{expr.func.__name__.lower()}({', '.join(parts)})"
