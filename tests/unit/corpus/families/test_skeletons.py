"""Skeletons: blind to names and constants, and to nothing else."""

from __future__ import annotations

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy import Integer, exp, log, pi, sin, sqrt, symbols

from calcgen_ray.corpus.families import FAMILIES, make_problem, skeleton

x, y, t, u = symbols("x y t u")
constants = st.integers(2, 9).map(Integer)
FORMS = (
    lambda v, w, a, b, c: a * v**b + sin(c * v),
    lambda v, w, a, b, c: exp(a * v) / (v + b) - c,
    lambda v, w, a, b, c: log(v + a) * (w - b) ** c,
    lambda v, w, a, b, c: v**a * w + sqrt(b * w + c),
)


@given(st.sampled_from(FORMS), *[constants] * 6)
def test_constants_do_not_matter(form, a, b, c, d, e, f) -> None:  # type: ignore[no-untyped-def]
    assert skeleton(form(x, y, a, b, c)) == skeleton(form(x, y, d, e, f))


@given(st.sampled_from(FORMS), st.permutations((x, y, t, u)), *[constants] * 3)
def test_names_do_not_matter(form, names, a, b, c) -> None:  # type: ignore[no-untyped-def]
    assert skeleton(form(names[0], names[1], a, b, c)) == skeleton(form(x, y, a, b, c))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (sin(x), exp(x)),
        (sin(x) + x, sin(x) * x),
        (sin(exp(x)), exp(sin(x))),
        (x + y, x + 2),
        (x * exp(y), x * exp(x)),
        (x - y * sin(x), y - y * sin(x)),
    ],
)
def test_structure_matters(left: sympy.Expr, right: sympy.Expr) -> None:
    assert skeleton(left) != skeleton(right)


def test_constants_of_every_kind_are_masked_whole() -> None:
    assert skeleton(sqrt(2) * x) == skeleton(3 * x) == skeleton(pi * x / 7) == "mul(v0, c)"


def test_a_pair_is_read_together() -> None:
    assert skeleton((x * y, x)) == skeleton((u * t, t))
    assert skeleton((x * y + x, x)) != skeleton((x * y + x, y))


@pytest.mark.parametrize("family", ["integrals", "definite_integrals"])
def test_integrals_share_their_group(family: str) -> None:
    problem = make_problem(family, "medium", 3, 0)
    integrand = sympy.sympify(problem.expected.given["integrand"])
    assert problem.skeleton == f"integral: {skeleton(integrand)}"


def test_other_families_share_nothing() -> None:
    groups = {name: make_problem(name, "easy", 3, 0).skeleton.split(":")[0] for name in FAMILIES}
    assert groups.pop("integrals") == groups.pop("definite_integrals")
    assert len(set(groups.values())) == len(groups)
    assert "integral" not in groups.values()
