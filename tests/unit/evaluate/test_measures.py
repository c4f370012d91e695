"""S, pass@k, bootstrap and copies against values computed by hand."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.evaluate.copies import TrainingText
from calcgen_ray.evaluate.pass_at_k import bootstrap, pass_at_k
from calcgen_ray.evaluate.similarity import NONE, Similarity, similarity, subtrees

CODE = "import sympy as sp\nx = sp.symbols('x')\nresult = sp.diff(x**2, x)\nprint(result)"
TOKENS = st.lists(st.integers(0, 3), max_size=12)


def test_subtrees_by_hand() -> None:
    # Assign, Name(a), BinOp, Constant 1, Add, Constant 1
    found = subtrees("a = 1 + 1")
    assert found.total() == 6
    assert max(found.values()) == 2  # Constant 1


def test_similarity_by_hand() -> None:
    # reference: Expr, BinOp, x, Add, 1          5 subtrees
    # generated: Expr, BinOp, x, Add, 2          x and Add shared: 2
    assert similarity("x + 2", "x + 1") == Similarity(2 / 5, 2 / 5, 2 / 5)
    # generated: Expr, BinOp, BinOp, x, Add, 1, Add, 1   of 8: BinOp(x+1), x, Add, 1 shared
    assert similarity("x + 1 + 1", "x + 1") == Similarity(4 / 5, 4 / 8, 8 / 13)


def test_counts_are_of_a_multiset() -> None:
    # one x + 1 does not stand for two of them
    one, two = similarity("f(x + 1)", "f(x + 1, x + 1)"), similarity("f(x, x)", "f(x)")
    assert one.s < 1 and one.precision < 1
    assert two.s < 1


def test_padding_raises_s_alone() -> None:
    bare, padded = similarity(CODE, CODE), similarity(CODE + "\ny = 1\nz = y + 2", CODE)
    assert bare == Similarity(1, 1, 1)
    assert padded.s == 1
    assert padded.precision < 1 and padded.f1 < 1


@pytest.mark.parametrize(
    "same",
    [
        CODE.replace("x =", "t =").replace("(x**2, x)", "(t**2, t)"),
        CODE.replace("sp", "sympy").replace("import sympymy as sympy", "import sympy"),
        "from sympy import *\nx = symbols('x')\nresult = diff(x**2, x)\nprint(result)",
        CODE.replace("\n", "  # so\n\n"),
    ],
)
def test_what_changes_nothing_does_not_count(same: str) -> None:
    assert similarity(same, CODE) == Similarity(1, 1, 1)


@pytest.mark.parametrize(
    ("old", "new"), [("x**2", "x**7"), ("diff", "integrate"), ("'x'", "'y'"), ("2", "2.0")]
)
def test_what_changes_the_answer_counts(old: str, new: str) -> None:
    assert similarity(CODE.replace(old, new), CODE).f1 < 1


@pytest.mark.parametrize("code", ["x = (", "", "# nothing", "\0", "(" * 500])
def test_no_program_is_like_nothing(code: str) -> None:
    assert similarity(code, CODE) == NONE


@pytest.mark.parametrize("reference", ["x = (", "", "import sympy"])
def test_reference_must_be_a_program(reference: str) -> None:
    with pytest.raises(ValueError, match="reference"):
        similarity(CODE, reference)


@given(st.sampled_from([CODE, "x + 1", "f(x)", "a = b = 1"]), st.sampled_from([CODE, "x", "1"]))
def test_f1_is_the_harmonic_mean(generated: str, reference: str) -> None:
    s, precision, f1 = similarity(generated, reference)
    assert 0 <= f1 <= 1
    assert f1 * (s + precision) == pytest.approx(2 * s * precision)


def test_pass_at_k_by_hand() -> None:
    assert pass_at_k(5, 2, 1) == pytest.approx(2 / 5)
    assert pass_at_k(5, 2, 2) == pytest.approx(1 - 3 / 10)
    assert pass_at_k(10, 0, 10) == 0
    assert pass_at_k(10, 1, 10) == 1
    assert pass_at_k(4, 2, 3) == 1  # only two are wrong


@given(st.integers(1, 7), st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def human_eval(n: int, c: int, k: int) -> float:
    """As in github.com/openai/human-eval, human_eval/evaluation.py, estimate_pass_at_k."""
    if n - c < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


@given(st.integers(1, 200), st.data())
def test_pass_at_k_is_that_of_human_eval(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    assert pass_at_k(n, c, k) == pytest.approx(human_eval(n, c, k), abs=1e-9)


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 6), (5, 6, 1), (5, -1, 1), (5, 1, 0)])
def test_pass_at_k_refuses(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="must hold"):
        pass_at_k(n, c, k)


def test_bootstrap_of_one_value() -> None:
    assert bootstrap([0.5] * 7) == (0.5, 0.5, 0.5)


def test_bootstrap_against_all_resamples() -> None:
    values = [0.0, 0.1, 0.4, 0.5, 1.0]
    means = [np.mean(drawn) for drawn in product(values, repeat=5)]
    mean, low, high = bootstrap(values, confidence=0.9)
    assert mean == pytest.approx(0.4)
    assert low == pytest.approx(np.percentile(means, 5), abs=0.02)
    assert high == pytest.approx(np.percentile(means, 95), abs=0.02)


def test_bootstrap_is_seeded_and_narrows() -> None:
    few, many = [0.0, 1.0] * 10, [0.0, 1.0] * 1000
    assert bootstrap(few, seed=3) == bootstrap(few, seed=3)
    assert bootstrap(many).high - bootstrap(many).low < bootstrap(few).high - bootstrap(few).low
    with pytest.raises(ValueError, match="no values"):
        bootstrap([])


def test_longest_run_by_hand() -> None:
    training = TrainingText([[1, 2, 3, 4], [5, 6]])
    assert training.longest_run([9, 2, 3, 9]) == 2
    assert training.longest_run([4, 5]) == 1  # not across the border of two cells
    assert training.copied([2, 3, 4]) and training.copied([5, 6])
    assert not training.copied([4, 5]) and not training.copied([])


def runs(cell: list[int]) -> set[tuple[int, ...]]:
    places = range(len(cell) + 1)
    return {tuple(cell[i:j]) for i in places for j in places if i < j}


@given(st.lists(TOKENS, max_size=3), TOKENS)
def test_longest_run_is_the_longest(cells: list[list[int]], tokens: list[int]) -> None:
    held = set().union(*map(runs, cells)) if cells else set()
    longest = max((len(run) for run in runs(tokens) & held), default=0)
    assert TrainingText(cells).longest_run(tokens) == longest


def test_tokens_of_a_large_vocabulary() -> None:
    tokens = [0, 0xD7FE, 0xD7FF, 0xD800, 51_199, 100_000]
    assert TrainingText([tokens]).longest_run(tokens) == len(tokens)
