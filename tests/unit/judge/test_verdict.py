"""Single verdicts: hostile trees, branches, forms of zero, what is refused or left open."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sympy as sp

from calcgen_ray.judge.verdict.deciding import decide
from calcgen_ray.judge.verdict.finding import NotAnswerError, UnreadableError
from calcgen_ray.judge.verdict.tree import expression
from calcgen_ray.judge.walk import encode
from calcgen_ray.problem import Kind, Verdict

x = sp.Symbol("x")
X = ["Symbol", "x"]
BIG = ["Integer", str(10**9)]


def deep(levels: int) -> Any:
    tree: Any = X
    for _ in range(levels):
        tree = ["sin", tree]
    return tree


def tower(levels: int) -> Any:
    tree: Any = ["Integer", "9"]
    for _ in range(levels):
        tree = ["Pow", ["Integer", "9"], tree]
    return tree


UNREADABLE = [
    deep(150), deep(50_000), ["Add", *[["Pow", X, ["Integer", str(n)]] for n in range(3000)]],
    ["Pow", ["Integer", "2"], BIG], ["Pow", X, BIG], tower(4),
    ["Pow", ["Mul", ["Integer", "7"], X], ["Integer", "9999"]],
    ["factorial", BIG], ["gamma", BIG], ["binomial", BIG, ["Integer", "500000"]],
    ["polylog", ["Integer", "-100000"], X], ["uppergamma", ["Integer", "100000"], X],
    ["Integer", "9" * 5000], ["Mul", *[["Integer", "7" * 999]] * 30],
    ["Float", "1", "1000000000"], ["Symbol", "__import__('os').system('x')"], ["Symbol", "x\n"],
    ["Symbol", "a" * 40], ["Symbol", 3], ["system", X], ["lambdify", X], ["Lambda", X, X],
    ["__class__"], [], [[]], [3, X], ["Pow", X], ["Integer", 3], ["Integer", "0x10"], "text", 3,
    {"other": "too large"}, ["Piecewise"], ["Piecewise", X], ["Add", ["StrictLessThan", X, X]],
]  # fmt: skip
NO_ANSWER: list[Any] = [
    ["NaN"], ["Add", X, ["NaN"]], ["Rational", "1", "0"], {"float": "nan"}, {"none": True},
    {"str": "x**2"}, {"str": "__import__('os')"}, {"list": [X]}, {"other": "function"},
    ["Apply", "f", X], ["Integral", X, ["Tuple", X]], ["Limit", X], {"bool": True},
    ["StrictLessThan", X, ["Integer", "1"]], {"array": [1.0, 2.0], "shape": [2], "step": 1},
]  # fmt: skip


@pytest.mark.parametrize("tree", UNREADABLE, ids=range(len(UNREADABLE)))
def test_trees_out_of_bounds_are_left_open_at_once(tree: Any) -> None:
    start = time.monotonic()
    with pytest.raises((UnreadableError, RecursionError)):
        expression(tree)
    assert time.monotonic() - start < 1
    for kind, value, given_ in (
        (Kind.EXPRESSION, "x**2", {}),
        (Kind.ANTIDERIVATIVE, "x**2", {"integrand": "2*x", "variable": "x"}),
        (Kind.SOLUTION_SET, "{1}", {"variable": "x"}),
    ):
        assert not decide(kind, value, given_, tree).equal


@pytest.mark.parametrize("tree", NO_ANSWER, ids=str)
def test_what_is_no_expression_is_wrong(tree: Any) -> None:
    with pytest.raises(NotAnswerError):
        expression(tree)
    assert decide(Kind.EXPRESSION, "x**2", {}, tree).verdict is Verdict.DIFFERENT


def verdict(expected: str, answer: Any, kind: Kind = Kind.EXPRESSION, **given_: str) -> Verdict:
    return decide(kind, expected, given_, encode(answer)).verdict


def test_assumptions_of_symbols_do_not_matter() -> None:
    p = sp.Symbol("x", positive=True)
    assert verdict("x**2 + log(x)", p**2 + sp.log(p)) is Verdict.EQUAL


def test_branches() -> None:
    assert verdict("2*log(x)", sp.log(x**2)) is Verdict.EQUAL  # where both are real
    assert verdict("sqrt(x**2)", sp.Abs(x)) is Verdict.EQUAL
    assert verdict("sqrt(x**2)", x) is Verdict.DIFFERENT
    assert verdict("sqrt(x)", sp.sqrt(-x)) is Verdict.DIFFERENT
    assert verdict("sqrt(-x**2 - 1)", sp.I * sp.sqrt(x**2 + 1)) is not Verdict.DIFFERENT


def test_absolute_values_under_the_logarithm() -> None:
    one_over_x = {"integrand": "1/x", "variable": "x"}
    for answer in (sp.log(x), sp.log(sp.Abs(x)), sp.log(-x), sp.log(7 * x) - sp.pi):
        assert verdict("log(x)", answer, Kind.ANTIDERIVATIVE, **one_over_x) is Verdict.EQUAL
    assert (
        verdict("log(x)", sp.log(x) * 1.001, Kind.ANTIDERIVATIVE, **one_over_x) is Verdict.DIFFERENT
    )


def test_small_numbers_are_not_zero_and_forms_of_zero_are() -> None:
    assert verdict("exp(-626)", sp.exp(-627)) is Verdict.DIFFERENT
    assert verdict("exp(-626)", sp.Integer(0)) is Verdict.DIFFERENT
    hidden = sp.sin(1) ** 2 + sp.cos(1) ** 2 - 1
    assert verdict("0", hidden) is Verdict.EQUAL
    assert verdict("10**12*x", 10**12 * x + 1) is Verdict.DIFFERENT
    assert verdict("sin(x)**2 + cos(x)**2 - 1 + x", x) is Verdict.EQUAL


def test_a_number_that_is_nearly_an_integer() -> None:
    assert verdict("262537412640768744", sp.exp(sp.pi * sp.sqrt(163))) is Verdict.DIFFERENT


def test_nothing_is_proved_where_nothing_is_real() -> None:
    assert verdict("log(-x**2 - 1)*Abs(x)", 2 * sp.log(-(x**2) - 1) * sp.Abs(x)) is not (
        Verdict.EQUAL
    )
