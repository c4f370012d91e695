"""Indefinite integrals, made forward, backward and by parts."""

from __future__ import annotations

from random import Random

from calcgen_ray.corpus.families.drafts import Draft, Family, ask
from calcgen_ray.corpus.families.functions import draw_variable
from calcgen_ray.corpus.families.integrands import draw_integrand
from calcgen_ray.corpus.families.rendering import solution, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "indefinite": (
        "Integrate {f} with respect to {x}.",
        "Find the indefinite integral of {f}.",
        "Compute the integral of {f} d{x}.",
        "Find an antiderivative of {f}.",
        "Evaluate the indefinite integral of f({x}) = {f}.",
        "What function has the derivative {f}?",
        "Given f'({x}) = {f}, find f({x}).",
        "Calculate the primitive of {f} in {x}.",
        "Use SymPy to integrate f({x}) = {f}.",
        "Let y' = {f}. Recover y by integration.",
    ),
}


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """The difficulty is the number of operators of the random functions."""
    x = draw_variable(rng)
    made = draw_integrand(rng, difficulty, shape, x)
    calls = (f"integrate({{f}}, {x})", f"integrate({{f}}, {x})", f"{{f}}.integrate({x})")
    code = solution(rng, [x], made.function, calls)
    question = ask("indefinite", f=made.function, x=x)
    given = {"integrand": text(made.function), "variable": str(x), "made": made.made}
    expected = Expected(Kind.ANTIDERIVATIVE, text(made.antiderivative), given)
    return Draft(question, code, expected, f"integral: {skeleton(made.function)}")


FAMILY = Family("integrals", PHRASINGS, draw)
