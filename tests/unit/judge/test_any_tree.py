"""No tree that a candidate's process may send makes the comparisons fail: each gets a verdict."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from calcgen_ray.judge.verdict.deciding import decide
from calcgen_ray.problem import Kind

X = ["Symbol", "x"]
QUESTIONS = [
    (Kind.EXPRESSION, "x**2", {}),
    (Kind.ANTIDERIVATIVE, "log(x)", {"integrand": "1/x", "variable": "x"}),
    (Kind.LIMIT, "oo", {}),
    (Kind.SERIES, "x + O(x**3)", {"variable": "x"}),
    (Kind.ODE, "Eq(f(x), C1*exp(x))",
     {"equation": "Eq(Derivative(f(x), x), f(x))", "function": "f", "variable": "x"}),
    (Kind.SOLUTION_SET, "{(1, 2)}", {"variable": "x,y"}),
    (Kind.NUMBER, "1.5", {"rtol": "1e-6"}),
    (Kind.ARRAY, "[1.5, 2.5]", {"rtol": "1e-6"}),
    (Kind.PLOT, "x", {"function": "x**3", "variable": "x", "low": "0", "high": "1"}),
]  # fmt: skip


anything = st.recursive(
    st.sampled_from([X, ["Integer", "3"], ["Pi"], ["Rational", "-1", "2"], ["NaN"], ["Infinity"]])
    | st.none() | st.integers() | st.text(max_size=3) | st.floats(),
    lambda inner: st.lists(inner, max_size=4)
    | st.tuples(
        st.sampled_from(["Add", "Mul", "Pow", "log", "tan", "Order", "Tuple", "Piecewise", "Dict",
                         "Equality", "Apply", "FiniteSet", "Abs", "And", "Complement", "Matrix"]),
        inner, inner,
    ).map(list)
    | st.dictionaries(st.sampled_from(["int", "float", "list", "tuple", "dict", "array", "shape",
                                       "lines", "x", "y", "complex", "str"]), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
ATOMS: list[Any] = [
    X, ["Symbol", "y"], ["Integer", "3"], ["Integer", "0"], ["Rational", "-1", "2"], ["Pi"],
    ["NaN"], ["Infinity"], ["ComplexInfinity"], ["ImaginaryUnit"], ["Float", "1", "-1"],
    ["BooleanTrue"], ["Reals"], ["EmptySet"], {"int": "3"}, {"float": "1.5"}, {"float": "inf"},
    {"none": True}, {"bool": True}, {"str": "x"}, {"str": "1.5"}, {"complex": ["1.0", "2.0"]},
    {"other": "f"}, {"array": [1.0, "nan", 2.0], "shape": [3], "step": 1},
    {"array": [1.0], "shape": [1], "step": 2}, {"array": [], "shape": [0], "step": 1},
    {"lines": [{"x": [0.0, 1.0], "y": [0.0, 1.0]}]}, {"lines": [{"x": [0.0], "y": []}]},
]  # fmt: skip
NAMES = [
    "Add", "Mul", "Pow", "log", "tan", "sin", "exp", "Order", "Tuple", "Piecewise",
    "ExprCondPair", "Dict", "Equality", "StrictLessThan", "Unequality", "FiniteSet", "Abs", "And",
    "Or", "Not", "Complement", "Intersection", "Union", "Interval", "Max", "Min", "gamma",
    "factorial", "binomial", "zeta", "LambertW", "Heaviside", "DiracDelta", "sign", "floor",
    "Mod", "re", "arg", "conjugate", "acos", "besselj", "erf", "Si", "polylog", "atan2",
    "AccumulationBounds", "Derivative", "Integral", "ConditionSet",
]  # fmt: skip
well_formed = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: (
        st.tuples(st.sampled_from(NAMES), st.lists(inner, max_size=3)).map(
            lambda parts: [parts[0], *parts[1]]
        )
        | st.tuples(st.sampled_from(["list", "tuple", "set"]), st.lists(inner, max_size=3)).map(
            lambda parts: {parts[0]: parts[1]}
        )
        | st.lists(st.tuples(inner, inner).map(list), max_size=2).map(lambda pairs: {"dict": pairs})
        | st.tuples(st.integers(0, 2), st.integers(0, 2), st.lists(inner, max_size=4)).map(
            lambda parts: ["Matrix", parts[0], parts[1], *parts[2]]
        )
        | inner.map(lambda part: ["Apply", "f", part])
    ),
    max_leaves=10,
)


@settings(max_examples=450, deadline=None)
@given(anything | well_formed, st.sampled_from(QUESTIONS))
def test_any_tree_gets_a_verdict(tree: Any, question: Any) -> None:
    kind, value, given_ = question
    found = decide(kind, value, given_, tree)
    assert found.method != "fault", (found, tree)
