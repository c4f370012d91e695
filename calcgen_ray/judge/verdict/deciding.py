"""One question to one finding: which comparison each kind is decided by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy

from calcgen_ray.judge.verdict.antiderivatives import decide_antiderivative
from calcgen_ray.judge.verdict.expressions import decide_expression, decide_limit
from calcgen_ray.judge.verdict.finding import (
    Finding,
    NotAnswerError,
    UnreadableError,
    different,
    unknown,
)
from calcgen_ray.judge.verdict.grammar import check
from calcgen_ray.judge.verdict.numbers import (
    decide_array,
    decide_number,
    read_numbers,
    tree_numbers,
)
from calcgen_ray.judge.verdict.odes import decide_ode
from calcgen_ray.judge.verdict.parsing import parse
from calcgen_ray.judge.verdict.plots import decide_plot
from calcgen_ray.judge.verdict.series import decide_series
from calcgen_ray.judge.verdict.sets import decide_set, unpack
from calcgen_ray.judge.verdict.tree import expression
from calcgen_ray.problem import Kind

Decide = Callable[[Any, Mapping[str, str], Any], Finding]

WAYS: Mapping[Kind, Decide] = {
    Kind.EXPRESSION: decide_expression,
    Kind.ANTIDERIVATIVE: decide_antiderivative,
    Kind.LIMIT: decide_limit,
    Kind.SERIES: decide_series,
    Kind.ODE: decide_ode,
    Kind.SOLUTION_SET: decide_set,
    Kind.NUMBER: decide_number,
    Kind.ARRAY: decide_array,
    Kind.PLOT: decide_plot,
}
BY_GIVEN = (Kind.ODE, Kind.PLOT)
"""Decided by what is given: no reference result is needed."""


def decide(
    kind: Kind, value: str, given: Mapping[str, str], answer: Any, reference: Any = None
) -> Finding:
    """The finding on an answer.

    Args:
        reference: the tree of a result that takes the place of `value`.
    """
    try:
        expected = (
            read(kind, value, given) if reference is None else from_tree(kind, given, reference)
        )
    except (NotAnswerError, UnreadableError) as error:
        return unknown("expected", f"the expected answer is not readable: {error}")
    try:
        check(answer)
        return WAYS[kind](expected, given, answer)
    except NotAnswerError as error:
        return different("form", str(error))
    except UnreadableError as error:
        return unknown("bounds", str(error))
    except RecursionError:
        return unknown("bounds", "the answer is too deep")
    except MemoryError:
        return unknown("bounds", "out of memory")
    except Exception as error:  # a fault of SymPy's or of ours: it decides nothing
        return unknown("fault", f"{type(error).__name__}: {error}")


def read(kind: Kind, value: str, given: Mapping[str, str]) -> Any:
    """The expected answer; that of an equation spares the substitution where it is met."""
    if kind is Kind.PLOT:
        return None
    if kind is Kind.ODE:
        return parse(value, (given["function"],))
    return read_numbers(value) if kind in (Kind.NUMBER, Kind.ARRAY) else parse(value)


def from_tree(kind: Kind, given: Mapping[str, str], tree: Any) -> Any:
    """The expected value from what a reference program gave."""
    check(tree)
    if kind in BY_GIVEN:
        return None
    if kind in (Kind.NUMBER, Kind.ARRAY):
        return tree_numbers(tree, many=kind is Kind.ARRAY)
    if kind is Kind.SOLUTION_SET:
        found = unpack(tree, given["variable"].split(","))
        return sympy.FiniteSet(*[one[0] if len(one) == 1 else sympy.Tuple(*one) for one in found])
    if kind is Kind.SERIES:
        return series(tree)
    return expression(tree)


def series(tree: Any) -> Any:
    """Terms and O term of a trusted series."""
    match tree:
        case ["Add", *terms]:
            return sympy.Add(*[series(term) for term in terms])
        case ["Order", power, ["Tuple", variable, point]]:
            return sympy.Order(expression(power), (expression(variable), expression(point)))
        case _:
            return expression(tree)
