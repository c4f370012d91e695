"""Expressions in words: written out by hand, and never the same for two expressions."""

from random import Random

import pytest
import sympy

from calcgen_ray.corpus.families.functions import Reject, draw_function
from calcgen_ray.corpus.families.speech import spoken
from calcgen_ray.corpus.families.trees import Shape

x = sympy.Symbol("x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x**2 + sin(x)", "the sum of x squared and the sine of x"),
        ("x*exp(-x)", "the product of x and the exponential of the negative of x"),
        ("sqrt(x + 1)", "the square root of the sum of x and 1"),
        ("3*x/(x + 2)", "the quotient of the product of 3 and x and the sum of x and 2"),
        ("sin(x)**2", "the square of the sine of x"),
        ("log(x)**3 - 4", "the sum of the cube of the natural logarithm of x and minus 4"),
        ("1/x", "the reciprocal of x"),
        ("x**5", "the power of x to 5"),
        ("pi*x", "the product of pi and x"),
    ],
)
def test_words(text: str, words: str) -> None:
    assert spoken(sympy.sympify(text)) == words


def test_different_expressions_have_different_words() -> None:
    rng, known = Random(7), {}
    for _ in range(600):
        try:
            f = draw_function(rng, rng.randint(1, 6), Shape(), [x])
        except Reject:
            continue
        assert known.setdefault(spoken(f), f) == f
    assert len(known) > 200
