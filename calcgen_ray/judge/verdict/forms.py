"""Whether an answer has the form that was asked for: expanded, factored, one fraction, shorter.

Equality is decided elsewhere. The forms are looked at in trees as the candidate left them, with
sums and products unevaluated, since SymPy multiplies 2*(x + 1) out when it builds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy
from sympy import Add, Mul


def is_expanded(answer: Any) -> bool:
    """No sum stands in a product or under a whole power."""
    for part in sympy.preorder_traversal(answer):
        if part.is_Mul and any(one.is_Add for one in part.args):
            return False
        if part.is_Pow and part.base.is_Add and part.exp.is_Integer and part.exp > 1:
            return False
    return True


def factors(expr: Any) -> list[tuple[Any, int]]:
    """The factors with a symbol in them, and their whole exponents."""
    found: list[tuple[Any, int]] = []
    for one in Mul.make_args(expr):
        if one.is_Pow and one.exp.is_Integer:
            found += [(base, n * int(one.exp)) for base, n in factors(one.base)]
        elif one.is_Mul:
            found += factors(one)
        elif one.free_symbols:
            found.append((one, 1))
    return found


def is_factored(answer: Any, expected: Any) -> bool:
    """As many factors as the expected answer, which is factored over the rationals.

    Polynomials factor in one way only, so an equal product of as many polynomials is complete;
    of a fraction, the same holds above and below the line.
    """
    ours, wanted = factors(answer), factors(expected)
    if answer.is_Add or any(not base.is_polynomial() for base, _ in ours):
        return False
    above, below = (sum(n for _, n in ours if n * sign > 0) * sign for sign in (1, -1))
    return above >= sum(n for _, n in wanted if n > 0) and below >= -sum(
        n for _, n in wanted if n < 0
    )


def is_one_fraction(answer: Any) -> bool:
    """No sum has a term with a symbol in a denominator."""
    sums = [part for part in sympy.preorder_traversal(answer) if part.is_Add]
    return not any(n < 0 for one in sums for term in one.args for _, n in factors(term))


def denominator_degree(expr: Any) -> int:
    """The degree of what is below the line, once it is put over one denominator."""
    below = sympy.denom(sympy.together(expr))
    symbols = sorted(expr.free_symbols, key=str)
    if not symbols or not below.is_polynomial(*symbols):
        return 0
    return int(sympy.total_degree(below, *symbols)) if below.free_symbols else 0


def is_cancelled(answer: Any, expected: Any) -> bool:
    return denominator_degree(answer) <= denominator_degree(expected)


def is_apart(answer: Any) -> bool:
    """Each term has at most one denominator, linear to some power, below no symbol."""
    for term in Add.make_args(sympy.expand_mul(answer, deep=False)):
        parts = factors(term)
        below = {base for base, n in parts if n < 0}
        if len(below) > 1 or (below and any(n > 0 for _, n in parts)):
            return False
        if any(not is_linear(base) for base in below):
            return False
    return True


def is_linear(base: Any) -> bool:
    symbols = base.free_symbols
    return all(base.is_polynomial(s) and sympy.degree(base, s) == 1 for s in symbols)


def nodes(expr: Any) -> int:
    return sum(1 for _ in sympy.preorder_traversal(expr))


def is_shorter(answer: Any, question: Any) -> bool:
    return nodes(answer) < nodes(question)


FORMS: Mapping[str, tuple[str, Callable[[Any, Any, Any], bool]]] = {
    "expand": ("expanded", lambda answer, expected, question: is_expanded(answer)),
    "factor": ("factored", lambda answer, expected, question: is_factored(answer, expected)),
    "together": ("one fraction", lambda answer, expected, question: is_one_fraction(answer)),
    "cancel": ("cancelled", lambda answer, expected, question: is_cancelled(answer, expected)),
    "apart": (
        "in partial fractions",
        lambda answer, expected, question: is_apart(answer) or not is_apart(expected),
    ),
    "simplify": (
        "shorter than the question",
        lambda answer, expected, question: is_shorter(answer, question),
    ),
}
"""For each operation, what the answer must be and the test of it."""
