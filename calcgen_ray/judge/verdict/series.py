"""Series: equal terms, and the same O term, which is read apart and never built.

SymPy takes a limit whenever it builds an Order, which a candidate could make as hard as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from calcgen_ray.judge.verdict.finding import Finding, UnreadableError, different
from calcgen_ray.judge.verdict.same import same
from calcgen_ray.judge.verdict.tree import expression


def decide_series(expected: Any, given: Mapping[str, str], answer: Any) -> Finding:
    """Against the terms and the O term of the expected series."""
    terms = answer[1:] if isinstance(answer, list) and answer[:1] == ["Add"] else [answer]
    orders = [one for one in terms if isinstance(one, list) and one[:1] == ["Order"]]
    if len(orders) != 1:
        return different("form", f"{len(orders)} O terms where one is wanted")
    power, place = read_order(orders[0])
    wanted = expected.getO()
    if power != wanted.args[0] or place != wanted.args[1]:
        return different("form", f"O({str(power)[:60]}) instead of {str(wanted)[:60]}")
    rest = [one for one in terms if one is not orders[0]]
    return same(expected.removeO(), expression(["Add", *rest]))


def read_order(tree: list[Any]) -> tuple[Any, Any]:
    """The power of an O term, and where: (variable, point)."""
    match tree:
        case ["Order", power, ["Tuple", variable, point]]:
            place = sympy.Tuple(expression(variable), expression(point))
            return expression(power), place
        case _:
            raise UnreadableError("the O term is not understood")
