"""The same key gives the same bytes: in any process, order, and hash seed."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from calcgen_ray.corpus.families import FAMILIES, Shape, generate, make_problem
from calcgen_ray.errors import ConfigError, DataError
from calcgen_ray.problem import DIFFICULTIES

ROOT = Path(__file__).resolve().parents[4]
COUNT = 30
SCRIPT = f"""
import dataclasses, json
from calcgen_ray.corpus.families import generate
for problem in reversed(list(generate({COUNT}, 11))):
    print(json.dumps(dataclasses.asdict(problem), sort_keys=True))
"""


def written(problems: list) -> list[str]:  # type: ignore[type-arg]
    return [json.dumps(dataclasses.asdict(problem), sort_keys=True) for problem in problems]


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_a_fresh_process_with_another_hash_seed_agrees(hash_seed: str) -> None:
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[::-1] == written(list(generate(COUNT, 11)))


def test_a_problem_does_not_depend_on_those_before() -> None:
    all_of_them = list(generate(COUNT, 11))
    for problem in all_of_them[::-7]:
        family, difficulty, seed, index = problem.id.rsplit("-", 3)
        assert make_problem(family, difficulty, int(seed), int(index)) == problem  # type: ignore[arg-type]


def test_seed_and_index_change_the_problem() -> None:
    texts = {make_problem("derivatives", "hard", s, i).text for s in range(5) for i in range(5)}
    assert len(texts) == 25


def test_generate_goes_evenly_round() -> None:
    made = list(generate(2 * 3 * 2, 1, families=("derivatives", "plots")))
    cells = [(problem.family, problem.difficulty) for problem in made]
    expected = set(itertools.product(("derivatives", "plots"), DIFFICULTIES))
    assert set(cells[:6]) == set(cells[6:]) == expected
    assert len({problem.id for problem in made}) == 12


def test_families_in_their_fixed_order() -> None:
    assert list(FAMILIES) == [
        "derivatives", "integrals", "definite_integrals", "limits", "series",
        "odes", "extrema", "expressions", "numerics", "plots",
    ]  # fmt: skip


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="derivatives"):
        make_problem("sums", "easy", 0, 0)
    with pytest.raises(ConfigError, match="easy"):
        make_problem("limits", "brutal", 0, 0)  # type: ignore[arg-type]


def test_a_shape_with_nothing_to_draw_is_an_error_not_a_hang() -> None:
    # x**2, (x**2)**2, ...: polynomials have a series without an O term, so none is ever kept.
    with pytest.raises(DataError, match="series"):
        make_problem("series", "easy", 0, 0, Shape(unary={"pow2": 1}, binary={"add": 1}))


def test_the_shape_is_obeyed() -> None:
    shape = Shape(unary={"sin": 1}, binary={"add": 1}, low=7, high=8)
    for index in range(20):
        function = make_problem("derivatives", "hard", 0, index, shape).expected.given["function"]
        assert not any(name in function for name in ("cos", "exp", "log", "sqrt", "/"))
