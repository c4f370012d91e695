"""Wordings all occur, expressions differ, texts are short, integrals come from three ways."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from random import Random
from statistics import mean

import pytest

from calcgen_ray.corpus.families import FAMILIES, make_problem
from calcgen_ray.corpus.families.drafts import ask, phrase
from calcgen_ray.problem import DIFFICULTIES, Difficulty, Problem

DISTINCT: dict[str, tuple[float, float]] = {
    # Least share of distinct skeletons among 30: medium, hard. Constants are masked, so families
    # of few forms (limits by rule, equations with constant coefficients, turning points) repeat.
    "derivatives": (0.85, 0.95),
    "integrals": (0.75, 0.9),
    "definite_integrals": (0.75, 0.85),
    "limits": (0.8, 0.85),
    "series": (0.75, 0.9),
    "odes": (0.65, 0.7),
    "extrema": (0.5, 0.75),
    "expressions": (0.85, 0.9),
    "numerics": (0.8, 0.9),
    "plots": (0.75, 0.9),
}


@cache
def sample(family: str, difficulty: Difficulty, seed: int = 21) -> tuple[Problem, ...]:
    return tuple(make_problem(family, difficulty, seed, index) for index in range(30))


@pytest.mark.parametrize("family", FAMILIES)
def test_at_least_six_wordings_occur(family: str) -> None:
    made = [problem for difficulty in DIFFICULTIES for problem in sample(family, difficulty)]
    found = {problem.phrasing for problem in made}
    assert len(found) >= max(6, 0.6 * len(FAMILIES[family]))
    assert found <= {f"{family}/{number}" for number in range(len(FAMILIES[family]))}


@pytest.mark.parametrize("family", FAMILIES)
def test_wordings_differ_and_every_one_can_be_drawn(family: str) -> None:
    phrasings = FAMILIES[family].phrasings
    every = [wording for wordings in phrasings.values() for wording in wordings]
    assert len(set(every)) == len(every)
    names = ("f", "g", "x", "y", "a", "b", "c", "n", "m", "k", "h", "y0", "nth", "times",
             "by", "side", "eq", "at", "most")  # fmt: skip
    fields = {name: name for name in names}
    for variant, wordings in phrasings.items():
        numbers = {phrase(Random(s), phrasings, ask(variant, **fields))[0] for s in range(300)}
        assert {every[number] for number in numbers} == set(wordings)


# One sample of 30 has a standard deviation of 0.06, the mean of three 0.035.
@pytest.mark.parametrize(
    ("seeds", "slack"), [((21,), 0.12), pytest.param((21, 22, 23), 0.0, marks=pytest.mark.soak)]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_skeletons_differ(family: str, seeds: tuple[int, ...], slack: float) -> None:
    for difficulty, least in zip(("medium", "hard"), DISTINCT[family], strict=True):
        shares = []
        for seed in seeds:
            made = sample(family, difficulty, seed)  # type: ignore[arg-type]
            shares.append(len({problem.skeleton for problem in made}) / len(made))
        assert mean(shares) >= least - slack, difficulty


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_are_short_python_that_binds_result(family: str) -> None:
    for difficulty in DIFFICULTIES:
        for problem in sample(family, difficulty):
            assert len(problem.statement.splitlines()) <= 2
            assert "{" not in problem.statement
            assert len(problem.statement) + len(problem.code) < 600
            assert 2 <= len(problem.code.strip().splitlines()) <= 13
            assert "\nresult = " in problem.code
            last = problem.code.strip().splitlines()[-1]
            assert last == ("plt.show()" if family == "plots" else "print(result)")
            used = {node.id for node in ast.walk(ast.parse(problem.code))
                    if isinstance(node, ast.Name)}  # fmt: skip
            imported = {
                alias.asname or alias.name.split(".")[0]
                for node in ast.walk(ast.parse(problem.code))
                if isinstance(node, ast.Import | ast.ImportFrom)
                for alias in node.names
            }
            assert imported <= used, problem.code
    assert mean(len(problem.text) for problem in sample(family, "easy")) < 260


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in ("numerics", "plots")])
def test_two_styles_of_import_occur(family: str) -> None:
    styles = Counter(problem.code.split()[0] for problem in sample(family, "medium"))
    assert min(styles["from"], styles["import"]) > 5


@pytest.mark.parametrize("family", ["integrals", "definite_integrals"])
def test_integrals_are_made_in_three_ways(family: str) -> None:
    ways = Counter(problem.expected.given["made"] for problem in sample(family, "medium"))
    assert set(ways) == {"forward", "backward", "parts"}
    assert min(ways.values()) >= 4


def test_harder_is_longer() -> None:
    for family in FAMILIES:
        easy, hard = (mean(len(p.text) for p in sample(family, d)) for d in ("easy", "hard"))
        assert easy < hard, family
