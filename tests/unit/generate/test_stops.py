"""Stop strings: the earliest wins, and none is missed however it falls on the tokens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgen_ray.generate.stops import StopWatch, cut
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.model.tokenizer import decode, encode

CELL = "from sympy import symbols\nx = symbols('x')\n# ∫ é 𝑥\nresult = 12345 * x\nprint(result)\n"


@pytest.fixture(scope="module")
def tokenizer():
    return load_model_tokenizer("embedded")


@pytest.mark.parametrize(
    ("stops", "left"),
    [((), "a\nb\n"), (("\n",), "a"), (("b", "\n"), "a"), (("a",), ""), (("z",), "a\nb\n")],
)
def test_cut_takes_the_earliest(stops, left):
    assert cut("a\nb\n", stops) == (left, left != "a\nb\n")


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, len(CELL) - 2), size=st.integers(1, 30))
def test_watch_hits_at_the_token_that_completes_the_stop(tokenizer, place, size):
    stop = CELL[place : place + size]
    watch, ids = StopWatch(tokenizer, (stop,)), encode(tokenizer, CELL)
    first = next(k for k in range(1, len(ids) + 1) if stop in decode(tokenizer, ids[:k]))
    assert [watch.hit(ids[:k]) for k in range(1, first + 1)] == [False] * (first - 1) + [True]


def test_no_stops_never_hit(tokenizer):
    assert not StopWatch(tokenizer, ()).hit(encode(tokenizer, CELL))
