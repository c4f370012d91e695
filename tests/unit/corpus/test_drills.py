"""Drills: their code gives the expression of their comment, the same on every machine."""

import contextlib
import io
import re
from random import Random

import numpy as np
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgen_ray.config import Config, SyntheticConfig
from calcgen_ray.corpus import store
from calcgen_ray.corpus.build import build
from calcgen_ray.corpus.drills import CHUNK, PAIR, carry, make_drills, make_pair
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.synthetic import shape_of


def run(code: str) -> dict[str, object]:
    namespace: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        exec(code, namespace)
    return namespace


WORDS = re.compile(r"\b(the|squared|cubed|minus)\b")
HEAD = re.compile(r"^(Let |Define )?(f\(\w+\) = |y = )|^The function |^Write ")
TAIL = re.compile(r"( as code|, a function of \w+)?\.?$")


def in_python(statement: str) -> str:
    """The expression of a statement that has it in notation."""
    text = statement.replace("^", "**").replace("ln(", "log(")
    return TAIL.sub("", HEAD.sub("", text))


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_the_code_gives_the_expression(index: int) -> None:
    drill = carry(Random(index), Shape())
    result = run(drill.code)["result"]
    if isinstance(result, sympy.Basic):
        # SymPy reads 2*(x + 5)/y as (2*x + 10)/y: the same, of another form.
        if WORDS.search(drill.statement):
            assert skeleton(result) == drill.skeleton
        else:
            assert sympy.sympify(in_python(drill.statement)) == result
    else:
        assert np.shape(result) in {(5,), (50,), (100,), (200,)}


def test_how_they_are_made_changes_nothing() -> None:
    count = PAIR * CHUNK + 3
    spread = list(make_drills(count, SyntheticConfig(), 3, 2))
    shape = shape_of(SyntheticConfig())
    made = [drill for index in range(CHUNK + 2) for drill in make_pair(3, index, shape)]
    assert spread == made[:count]
    assert len({drill.text for drill in spread}) > 0.9 * count
    assert list(make_drills(0, SyntheticConfig(), 3, 2)) == []
    assert make_pair(4, 0, Shape()) != spread[:PAIR]


def test_a_corpus_holds_drills_split_by_expression(tmp_path) -> None:
    config = Config.model_validate(
        {
            "run": {"storage": str(tmp_path)},
            "corpus": {"docstrings": (), "drills": 300, "synthetic": {"count": 0}},
        }
    )
    folder = build(config)
    train, valid = (store.read(folder, split) for split in ("train", "valid"))
    assert {r.source for r in train + valid} == {"drill"} and len(train + valid) > 250
    assert not {r.group for r in train} & {r.group for r in valid}
    assert all(r.text.startswith("# ") and r.statement in r.text for r in train)
