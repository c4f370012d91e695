"""Which functions SymPy's series and limit are quick with, found by measuring."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Symbol

from calcgen_ray.corpus.families.functions import nodes

STEEP = (sympy.tan, sympy.asin, sympy.acos, sympy.atan)
SHALLOW = (sympy.exp, sympy.sin, sympy.cos, sympy.log)


def is_gentle(f: Any, x: Symbol) -> bool:
    """Whether SymPy's series is quick with it.

    Arguments are polynomials of degree two or less, or one function of such a linear polynomial
    inside an outer one that is not tan or an inverse; powers stand over no sum with a function.
    """
    for part in f.atoms(sympy.Function):
        inner = part.args[0]
        if inner.is_polynomial(x):
            if sympy.degree(inner, x) > (1 if isinstance(part, STEEP) else 2):
                return False
        elif isinstance(part, STEEP) or nodes(inner) > 5 or not isinstance(inner, SHALLOW):
            return False
    powers = [p for p in f.atoms(sympy.Pow) if p.base.has(sympy.Function, sympy.Pow)]
    return not any(p.base.is_Add or p.base.has(*STEEP) for p in powers)


def depth(expr: Any) -> int:
    """How deep functions and broken powers are nested: 2 for sin(exp(x))."""
    inner = max((depth(arg) for arg in expr.args), default=0)
    counts = expr.is_Function or (expr.is_Pow and not expr.exp.is_integer)
    return inner + int(bool(counts) and bool(expr.free_symbols))


def is_shallow(f: Any, x: Symbol) -> bool:
    """Whether SymPy's limit of its difference quotient is quick: no nest of three functions."""
    steep = f.atoms(*STEEP)
    return depth(f) <= 2 and all(part.args[0].is_polynomial(x) for part in steep)
