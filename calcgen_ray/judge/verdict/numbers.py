"""Numbers and arrays of numbers, within the tolerance of the question."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import sympy

from calcgen_ray.judge.verdict.finding import Finding, NotAnswerError, different, equal
from calcgen_ray.judge.verdict.numeric import Program, is_real, symbols_of
from calcgen_ray.judge.verdict.tree import expression

RTOL = 1e-6
FLOOR = 1e-9  # of the largest number of an array
DIGITS = 20


def to_float(tree: Any) -> float:
    """The real number that a tree stands for.

    Raises:
        NotAnswerError: it is none, or not a finite one.
    """
    if isinstance(tree, int | float) and not isinstance(tree, bool):
        value = float(tree)
    elif isinstance(tree, str):
        value = float(tree) if tree in ("nan", "inf", "-inf") else math.nan
    else:
        value = of_expression(expression(tree))
    if not math.isfinite(value):
        raise NotAnswerError("a number that is not finite is no answer")
    return value


def of_expression(expr: Any) -> float:
    if symbols_of(expr):
        raise NotAnswerError("an expression with symbols is no number")
    if expr.is_infinite:
        return math.inf
    value = Program(expr)({}, DIGITS)
    if value is None or not is_real(value):
        raise NotAnswerError("not a real number")
    return float(value.real)


def floats(tree: Any) -> list[float]:
    """The numbers of an array, a list, a tuple or a column, in order."""
    match tree:
        case {"array": list(numbers), "shape": list(shape)}:
            if sum(1 for size in shape if size != 1) > 1:
                raise NotAnswerError(f"an array of shape {shape} is no list of numbers")
            return [to_float(number) for number in numbers]
        case {"list": list(trees)} | {"tuple": list(trees)}:
            flat = [one for tree in trees for one in inner(tree)]
            return [to_float(one) for one in flat]
        case ["Matrix", int(rows), int(columns), *entries] if 1 in (rows, columns):
            return [to_float(entry) for entry in entries]
        case _:
            return [to_float(tree)]


def inner(tree: Any) -> list[Any]:
    """The entry of a row of one, as a column has them; else the tree itself."""
    match tree:
        case {"list": [one]} | {"tuple": [one]} | {"array": [one]}:
            return [one]
        case _:
            return [tree]


def decide_number(expected: Any, given: Mapping[str, str], answer: Any) -> Finding:
    """One number: |answer - expected| <= rtol |expected|."""
    return close(floats(answer), [float(expected)], given)


def decide_array(expected: Any, given: Mapping[str, str], answer: Any) -> Finding:
    """As many numbers, each within rtol of its own, or 1e-9 of the largest."""
    return close(floats(answer), [float(one) for one in expected], given)


def close(found: Sequence[float], wanted: Sequence[float], given: Mapping[str, str]) -> Finding:
    if len(found) != len(wanted):
        return different("tolerance", f"{len(found)} numbers where {len(wanted)} are wanted")
    rtol = float(given.get("rtol", RTOL))
    floor = FLOOR * max(map(abs, wanted), default=0.0)
    for ours, theirs in zip(found, wanted, strict=True):
        if not abs(ours - theirs) <= rtol * abs(theirs) + floor:
            return different("tolerance", f"{ours:.10g} against {theirs:.10g}")
    return equal("tolerance")


def read_numbers(text: str) -> Any:
    """The expected number, or list of them, from JSON."""
    return json.loads(text)


def tree_numbers(tree: Any, *, many: bool) -> Any:
    """The same from the tree of a reference result."""
    numbers = floats(tree)
    return numbers if many else numbers[0]


def as_number(value: float) -> Any:
    return sympy.Float(value)
