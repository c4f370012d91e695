"""Integrands that SymPy integrates at once, with a known antiderivative.

Three ways (Lample and Charton, arXiv:1912.01412, section 4): forward, SymPy integrates a random
function; backward, a random function is differentiated; by parts, the integral of F g is
F G minus the integral of f G, which must be an easier one.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import sympy
from sympy import Symbol

from calcgen_ray.corpus.families.functions import (
    NODES,
    draw_function,
    insist,
    is_elementary,
    is_neat,
    nodes,
    operators,
    require,
)
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.families.values import agree
from calcgen_ray.problem import Difficulty

MADE = ("forward", "backward", "parts")
TRIG = (sympy.sin, sympy.cos, sympy.tan)
ARCS = (sympy.asin, sympy.acos, sympy.atan)
INTEGRAND_NODES = 34


@dataclass(frozen=True, slots=True)
class Integrand:
    """A function, one of its antiderivatives, and the way they were made."""

    function: Any
    antiderivative: Any
    made: str


def kernels(expr: Any) -> set[Any]:
    """The functions and the roots in it, sin and cos of one argument counted once."""
    found = {
        TRIG[0](part.args[0]) if isinstance(part, TRIG[:2]) else part
        for part in expr.atoms(sympy.Function)
    }
    return found | {power.base for power in expr.atoms(sympy.Pow) if power.exp.is_integer is False}


def is_linear(expr: Any, x: Symbol) -> bool:
    return bool(expr.is_polynomial(x)) and sympy.degree(expr, x) <= 1


def bare(f: Any) -> Any:
    """The function with a dummy for each outermost function: what is left is algebraic in x."""
    outer = sorted(f.atoms(sympy.Function), key=nodes, reverse=True)
    for number, part in enumerate(outer):
        f = f.xreplace({part: Symbol(f"k{number}_")})
    return f


def broken_powers(f: Any) -> list[Any]:
    return [power for power in f.atoms(sympy.Pow) if power.exp.is_integer is False]


def has_quick_roots(f: Any, x: Symbol) -> bool:
    """Roots of x anywhere, of one linear base beside low powers, or 1/sqrt(a - b x^2) alone."""
    powers = broken_powers(f)
    bases = {power.base for power in powers} - {x}
    below = [power for power in f.atoms(sympy.Pow) if power.exp.is_negative]
    if any(power.base.has(*[root for root in powers if root != power]) for power in below):
        return False
    functions = f.atoms(sympy.Function)
    if powers and not all(part.args[0] == sympy.sqrt(x) for part in functions):
        return False
    if not bases:
        return True
    if len(bases) > 1 or not next(iter(bases)).is_polynomial(x) or f.has(sympy.Function):
        return False
    base = sympy.Poly(next(iter(bases)), x)
    if base.degree() == 1:
        return all(p.exp == 1 for p in f.atoms(sympy.Pow) if p.base == x and p.exp.is_integer)
    square, middle, constant = [base.coeff_monomial(x**n) for n in (2, 1, 0)]
    fits = base.degree() == 2 and middle == 0 and square < 0 < constant
    return bool(fits and next(iter(bases)).is_Add and {p.exp for p in powers} == {-sympy.S.Half})


def has_quick_trig(f: Any, x: Symbol) -> bool:
    """At most one trigonometric argument: linear with low powers beside, or a pure chain."""
    inner = {part.args[0] for part in f.atoms(*TRIG)}
    if len(inner) != 1:
        return not inner
    rest = [part for part in f.atoms(sympy.Function) if not isinstance(part, TRIG)]
    if any(p.exp.is_negative or not p.exp.is_integer for p in f.atoms(sympy.Pow) if p.base != x):
        return False
    if any(part.has(*TRIG) for part in rest):
        return not bare(f).has(x) and not f.has(sympy.tan)
    if not all(isinstance(part, sympy.exp) and is_linear(part.args[0], x) for part in rest):
        return False
    argument, outside = next(iter(inner)), bare(f)
    if f.has(sympy.tan):
        low = outside.is_polynomial(x) and sympy.degree(sympy.expand(outside), x) <= 1
        return bool(low and not rest and is_linear(argument, x) and not f.has(*TRIG[:2]))
    if is_linear(argument, x):
        low = outside.is_polynomial(x) and sympy.degree(sympy.expand(outside), x) <= 2
        return bool(low and max([p.exp for p in f.atoms(sympy.Pow)], default=1) <= 3)
    one = len(f.atoms(*TRIG)) == 1 and not rest
    bump = argument.as_independent(x, as_Add=True)[1].as_independent(x, as_Add=False)[1]
    return bool(one and (bump == sympy.sqrt(x) or bump in (x**2, x**3)))


def is_quick(f: Any, x: Symbol) -> bool:
    """Whether SymPy's integrate answers such a function within a fraction of a second.

    Found by measuring: what makes its heuristics wander is many different functions and roots,
    trigonometric ones of an odd argument or beside high powers, and inverse ones anywhere but in a
    sum of products.
    """
    parts = kernels(f)
    if nodes(f) > INTEGRAND_NODES or len(parts) > 2:
        return False
    if any(nodes(part) > 10 for part in parts) or not has_quick_roots(f, x):
        return False
    if any(part.has(sympy.log) for part in f.atoms(sympy.exp)):
        return False
    arcs = f.atoms(*ARCS)
    if arcs and (len(parts) > 1 or not all(is_linear(arc.args[0], x) for arc in arcs)):
        return False
    if arcs and any(p.base.has(*ARCS) for p in f.atoms(sympy.Pow)):
        return False
    return has_quick_trig(f, x)


def is_closed(f: Any, x: Symbol) -> bool:
    """Whether a random function surely has an elementary integral, which SymPy finds at once.

    These are polynomials in x and one of exp, sin, cos or log of a linear argument, roots of a
    linear base, and fractions with a denominator of degree two or less.
    """
    parts = kernels(f)
    if len(parts) > 1 or nodes(f) > INTEGRAND_NODES:
        return False
    part = next(iter(parts), None)
    if part is None:
        below = sympy.denom(sympy.together(f))
        return bool(f.is_rational_function(x)) and sympy.degree(below, x) <= 2
    if not isinstance(part, sympy.Function):
        roots = {p: Symbol("r_") for p in broken_powers(f) if p.exp == sympy.S.Half}
        return is_linear(part, x) and bool(f.xreplace(roots).is_polynomial(x, Symbol("r_")))
    if not isinstance(part, (sympy.exp, sympy.log, *TRIG[:2])) or not is_linear(part.args[0], x):
        return False
    a, b = sympy.symbols("a_ b_")
    plain = f.xreplace({part: a, sympy.cos(part.args[0]): b})
    return bool(plain.is_polynomial(x, a, b)) and sympy.degree(plain, x) <= 4


def forward(rng: Random, planned: int, shape: Shape, x: Symbol) -> tuple[Any, Any]:
    """A random function whose integral is surely elementary, and SymPy's integral of it."""
    f = draw_function(rng, planned, shape, [x])
    require(is_closed(f, x) and is_quick(f, x))
    return f, sympy.integrate(f, x)


def backward(rng: Random, planned: int, shape: Shape, x: Symbol) -> tuple[Any, Any]:
    """The derivative of a random function, and that function without its constant."""
    whole = draw_function(rng, planned, shape, [x]).as_independent(x, as_Add=True)[1]
    f = sympy.diff(whole, x)
    return (sympy.expand(f) if f.is_polynomial(x) else f), whole


def by_parts(rng: Random, planned: int, shape: Shape, x: Symbol) -> tuple[Any, Any]:
    """F g for random F and G, where the integral of f G that is left is surely elementary."""
    first = rng.randint(1, max(1, planned - 1))
    big_f = draw_function(rng, first, shape, [x]) if rng.random() < 0.7 else x
    big_g = draw_function(rng, max(1, planned - first), shape, [x])
    left = sympy.expand(sympy.diff(big_f, x) * big_g)
    require(is_closed(left, x) and is_quick(left, x))
    whole = sympy.expand(big_f * big_g - sympy.integrate(left, x))
    return big_f * sympy.diff(big_g, x), whole.as_independent(x, as_Add=True)[1]


WAYS = {"forward": forward, "backward": backward, "parts": by_parts}


def draw_way(rng: Random, way: str, planned: int, shape: Shape, x: Symbol) -> Integrand:
    """An integrand made in that way, its antiderivative checked by values of the derivative.

    SymPy's own integral, which a reference script will print, must be elementary and right too.
    """
    f, whole = WAYS[way](rng, planned, shape, x)
    require(f.has(x) and operators(f) >= planned and is_neat(f) and is_quick(f, x))
    require(is_elementary(f) and is_elementary(whole))
    require(nodes(whole) <= NODES and agree(sympy.diff(whole, x), f, x))
    if way != "forward":
        own = sympy.integrate(f, x)
        require(is_elementary(own) and agree(sympy.diff(own, x), f, x))
    return Integrand(f, whole, way)


def draw_integrand(rng: Random, difficulty: Difficulty, shape: Shape, x: Symbol) -> Integrand:
    """An integrand, each of the three ways equally often.

    Raises Reject when the way gave none in its number of draws.
    """
    way = rng.choice(MADE)
    return insist(lambda: draw_way(rng, way, shape.size(rng, difficulty, 6), shape, x))
