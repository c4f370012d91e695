"""Expressions and limits: the same function or number, in the form that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from calcgen_ray.judge.verdict.finding import Finding, different
from calcgen_ray.judge.verdict.forms import FORMS
from calcgen_ray.judge.verdict.parsing import parse
from calcgen_ray.judge.verdict.same import same
from calcgen_ray.judge.verdict.tree import expression

BOUNDS = "AccumulationBounds"


def decide_expression(expected: Any, given: Mapping[str, str], answer: Any) -> Finding:
    """Equal, and for expand, factor and the like in that form; the question itself is none."""
    found = same(expected, expression(answer))
    operation = given.get("operation", "")
    if not found.equal or operation not in FORMS:
        return found
    form, holds = FORMS[operation]
    question = parse(given["function"]) if "function" in given else expected
    if not holds(expression(answer, evaluate=False), expected, question):
        return different("form", f"equal, but not {form}")
    return found


def decide_limit(expected: Any, given: Mapping[str, str], answer: Any) -> Finding:
    """As numbers; infinities and bounds of oscillation by structure."""
    if isinstance(answer, list) and answer[:1] == [BOUNDS]:
        ends = [expression(one) for one in answer[1:]]
        if isinstance(expected, sympy.AccumBounds) and list(expected.args) == ends:
            return same(*[sympy.Integer(0)] * 2)
        return different("structure", "bounds of an oscillation")
    return same(expected, expression(answer))
