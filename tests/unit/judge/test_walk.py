"""What crosses the border: every form of answer, hostile objects, bounds."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from typing import Any

import matplotlib
import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.judge import walk
from calcgen_ray.judge.walk import encode

matplotlib.use("Agg")
import matplotlib.pyplot as plt

x, y = sympy.symbols("x y")
f = sympy.Function("f")
X = ["Symbol", "x"]


@pytest.mark.parametrize(
    ("value", "tree"),
    [
        (x**2, ["Pow", X, ["Integer", "2"]]),
        (sympy.Rational(-1, 3), ["Rational", "-1", "3"]),
        (sympy.Float("-1.5"), ["Float", "-3", "-1"]),
        (sympy.Float("nan"), ["NaN"]),
        (sympy.Symbol("x", positive=True), X),
        (f(x), ["Apply", "f", X]),
        (sympy.Eq(f(x), 1), ["Equality", ["Apply", "f", X], ["Integer", "1"]]),
        (sympy.FiniteSet(2), ["FiniteSet", ["Integer", "2"]]),
        (sympy.Matrix([[x, 1]]), ["Matrix", 1, 2, X, ["Integer", "1"]]),
        (sympy.Poly(3 * x, x), ["Mul", ["Integer", "3"], X]),
        (sympy.true, ["BooleanTrue"]),
        (sympy.oo, ["Infinity"]),
        ({x: 1}, {"dict": [[X, {"int": "1"}]]}),
        ((1.5, True, None), {"tuple": [{"float": "1.5"}, {"bool": True}, {"none": True}]}),
        ({1j}, {"set": [{"complex": ["0.0", "1.0"]}]}),
        ("a" * 9000, {"str": "a" * walk.CHARS}),
        (np.float64(0.1), {"float": "0.1"}),
        (np.array([1, np.nan, -np.inf]), {"array": [1.0, "nan", "-inf"], "shape": [3], "step": 1}),
        (np.array([x, 1]), {"list": [X, {"int": "1"}]}),
        (Fraction(1, 3), ["Rational", "1", "3"]),
        (mpmath.mpf(0.5), ["Float", "1", "-1"]),
        (10**2000, {"other": "too large"}),
        ([0] * 5000, {"other": "too large"}),
        (object, {"other": "type"}),
        (iter([]), {"other": "list_iterator"}),
    ],
)
def test_forms_of_answers(value: object, tree: Any) -> None:
    assert encode(value) == tree


def test_plots_become_the_points_of_their_lines() -> None:
    fig, ax = plt.subplots()
    lines = ax.plot([0, 1, 2], [3, 4, 5])
    want = {"lines": [{"x": [0.0, 1.0, 2.0], "y": [3.0, 4.0, 5.0]}]}
    assert encode(ax) == encode(fig) == encode(lines[0]) == want
    assert encode(lines) == {"list": [want]}
    [long] = ax.plot(np.linspace(0, 1, 10_001), np.zeros(10_001))
    xs = encode(long)["lines"][0]["x"]
    assert len(xs) == walk.LINE_POINTS and xs[0] == 0 and xs[-1] == 1
    plt.close(fig)


def test_long_arrays_are_thinned_evenly() -> None:
    tree = encode(np.arange(100_000.0))
    step = tree["step"]
    assert tree["shape"] == [100_000] and tree["array"][3] == 3 * step


class Liar:
    @property
    def __class__(self) -> Any:
        raise ValueError

    def __iter__(self) -> Any:
        while True:
            yield 1


class EndlessList(list):
    def __iter__(self) -> Any:
        while True:
            yield 1

    def __len__(self) -> int:
        raise KeyboardInterrupt


class Trap(sympy.Basic):
    @property
    def args(self) -> Any:
        raise SystemExit


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise MemoryError


class Masked(metaclass=Meta):
    pass


def test_hostile_objects() -> None:
    assert encode(Liar()) == {"other": "Liar"}
    assert encode(EndlessList([1])) == {"list": [{"int": "1"}]}
    assert encode(Trap(x)) == ["Trap", X]
    assert encode(Masked()) == {"other": "Masked"}
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert encode(deep) == {"other": "too large"}
    ring: list[Any] = []
    ring.append(ring)
    assert encode(ring) == {"other": "too large"}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers(), inner),
    max_leaves=20,
)


@given(values)
def test_every_tree_is_json(value: object) -> None:
    assert json.loads(json.dumps(encode(value), allow_nan=False)) == encode(value)


def test_importing_it_loads_nothing() -> None:
    code = (
        "import calcgen_ray.judge.walk, sys\n"
        "assert not {'sympy', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
