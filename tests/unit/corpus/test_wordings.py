"""The many wordings of training: they fill, they vary, and the benchmark's are not among them."""

import re
import string
from random import Random

import pytest

from calcgen_ray.config import SyntheticConfig
from calcgen_ray.corpus import calcbench
from calcgen_ray.corpus.calcbench.wordings import WORDINGS
from calcgen_ray.corpus.families import FAMILIES, make_problems
from calcgen_ray.corpus.families.drafts import expand
from calcgen_ray.corpus.families.variety import templates, varied
from calcgen_ray.corpus.synthetic import make_problems as make_many


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def plain(template: str) -> str:
    """Lower case, its fields as one sign, its punctuation dropped."""
    return " ".join(re.findall(r"[a-z0-9']+|@", re.sub(r"\{\w+\}", "@", template).lower()))


@pytest.mark.parametrize("name", list(FAMILIES))
def test_every_template_fills(name: str) -> None:
    own, many, rng = FAMILIES[name].phrasings, templates(name), Random(0)
    assert set(many) == set(own)
    for variant, texts in many.items():
        asked = [fields(text) for text in own[variant]]
        needed, known = set.intersection(*asked), set.union(*asked)
        assert len(texts) >= 18 and len(set(texts)) == len(texts)
        for text in texts:
            for _ in range(5):
                sentence = expand(text, rng)
                assert needed <= fields(sentence) <= known, sentence
                assert "|" not in sentence and "  " not in sentence and sentence.isascii()


@pytest.mark.parametrize("name", list(FAMILIES))
def test_no_sentence_of_a_template_is_one_of_the_benchmark(name: str) -> None:
    asked = {plain(text) for texts in WORDINGS[name].values() for text in texts}
    rng = Random(1)
    for texts in varied(FAMILIES[name]).values():
        for text in set(texts):
            choices = text.count("|")
            said = {plain(expand(text, rng)) for _ in range(1 + 20 * choices)}
            assert not said & asked


def test_a_choice_within_a_choice() -> None:
    found = {expand("<a|b<c|d>> = {f}", Random(seed)) for seed in range(60)}
    assert found == {"a = {f}", "bc = {f}", "bd = {f}"}
    assert expand("{a} <= {x} <= {b}", Random(0)) == "{a} <= {x} <= {b}"


def test_one_problem_in_several_wordings() -> None:
    spoken = varied(FAMILIES["limits"])
    found = make_problems("limits", "easy", 3, 1, phrasings=spoken, wordings=6)
    assert len({problem.code for problem in found}) == 1
    assert len({problem.statement for problem in found}) > 3
    assert len({problem.id for problem in found}) == 6


def test_training_problems_come_in_them() -> None:
    found = list(make_many(SyntheticConfig(count=30, wordings=3), 2, 1))
    assert len(found) == 90 and len({problem.code for problem in found}) <= 30
    short = {
        p for family in FAMILIES.values() for texts in family.phrasings.values() for p in texts
    }
    starts = {text.split("{")[0] for text in short}
    assert any(not problem.statement.startswith(tuple(starts)) for problem in found)
    assert not {p.statement for p in found} & {p.statement for p in calcbench.load()}
