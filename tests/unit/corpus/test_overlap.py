"""Nothing that is measured on is in the base's corpus: runs of 13 tokens, expressions, places."""

import re

import pytest
import sympy

from calcgen_ray import pipeline, settings
from calcgen_ray.corpus import calcbench, overlap, store
from calcgen_ray.corpus.build import build
from calcgen_ray.corpus.families.reserved import is_reserved
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.split import place


def test_runs_by_hand():
    text = ">>> a = f(1)\n>>> from x import (b, c, d, e, g, h, i)\n... + 2 - 3 * x\nz\n"
    tokens = ["a", "=", "f", "(", "1", ")", "+", "2", "-", "3", "*", "x", "z"]
    assert len(tokens) == 13 == overlap.LENGTH
    assert overlap.runs(text) == {tuple(tokens)}
    assert overlap.runs("a = f(1)") == set()


def word_runs(statement):
    """Of thirteen words: signs of formulas within a wording that both have are alike by design."""
    words = statement.lower().split()
    return {tuple(words[i : i + 13]) for i in range(len(words) - 12)}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The base's corpus as its preset makes it, with fewer problems and drills."""
    overrides = [
        f"run.storage={tmp_path_factory.mktemp('base')}", "corpus.packages=[sympy]",
        "corpus.package_pieces=0", "corpus.synthetic.count=40", "corpus.drills=400",
    ]  # fmt: skip
    return build(settings.load("base", overrides))


def test_the_base_s_corpus_shares_no_text_with_what_is_measured_on(sample):
    base, preset = settings.load("base").corpus, settings.load("embedded").corpus
    assert base.valid_fraction >= preset.valid_fraction  # so that its rule covers the preset's
    read = store.read(sample)
    assert {r.source for r in read} == {"package", "drill", "synthetic"}
    kept_back = overlap.kept_back(preset.valid_fraction)
    assert len(kept_back) > 5000
    asked = {run for p in calcbench.load() for run in word_runs(p.statement)}
    for record in read:
        found = overlap.runs(record.text)
        if record.source == "package":
            assert found.isdisjoint(kept_back), record.id
        assert asked.isdisjoint(word_runs(record.statement)), record.statement


def test_no_expression_of_the_benchmark_or_of_a_validation_split_is_trained_on(sample):
    fraction = settings.load("embedded").corpus.valid_fraction
    for record in store.read(sample, "train"):
        assert record.group not in calcbench.skeletons()
        assert record.source == "package" or not is_reserved(record.group)
        assert place(record.group) >= fraction


def test_the_demo_asks_for_what_no_corpus_holds():
    expression = re.fullmatch(r"Differentiate (.+) with respect to x\.", pipeline.STATEMENT)[1]
    assert is_reserved(f"derivative: {skeleton(sympy.sympify(expression))}")
