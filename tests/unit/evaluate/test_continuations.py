"""Held-out cells: where they are cut, what is kept of a completion, and that none is ruled on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calcgen_ray.config import EvaluateConfig
from calcgen_ray.corpus import store
from calcgen_ray.errors import DataError
from calcgen_ray.evaluate.continuations import continuations, trimmed
from calcgen_ray.evaluate.copies import TrainingText
from calcgen_ray.evaluate.examiner import Examiner, chosen_problems
from calcgen_ray.evaluate.summary import summarise
from calcgen_ray.generate.fake import FakeEngine
from calcgen_ray.judge import Judge, Sandbox, Verifier
from calcgen_ray.model.loading import load_model_tokenizer

CONFIG = EvaluateConfig(benchmark="held_out", samples=0, max_tokens=2000)
OWN = "a = 1\n# add one\nb = a + k\nc = b\nprint(c)\n"


def cell(name: str, plain: str, before: str = "", **changes: str) -> store.Record:
    given = {
        "id": f"notebook/{name}/000000", "source": "notebook", "document": name, "group": "ch07",
        "family": "", "difficulty": "", "phrasing": "", "statement": "", "code": before + plain,
        "plain": plain, "text": plain, "expected": "", "skeleton": "", "licence": "",
        "split": "valid", **changes,
    }  # fmt: skip
    return store.Record(index=0, **given)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    cells = [
        cell("long", OWN, before="k = 5\n\n"),
        cell("short", "a = 1\nprint(a)\n"),
        cell("seen", OWN, split="train"),
        cell("made", OWN, source="synthetic"),
    ]
    store.write(tmp_path, cells, {})
    return tmp_path


def test_a_cell_is_cut_before_a_statement_after_a_third_of_its_own(corpus: Path) -> None:
    [task] = continuations(corpus)
    assert task.prompt == "k = 5\n\na = 1\n# add one\n"
    assert task.code == "b = a + k\nc = b\nprint(c)\n"
    assert task.family == "ch07"


def test_cells_held_out_by_name_go_before_those_of_validation(corpus: Path) -> None:
    """By the validation cells a run chose what it keeps."""
    test = cell("test", OWN, before="k = 6\n\n", split="test", group="ch14")
    store.write(corpus, [*store.read(corpus), test], {})
    [task] = continuations(corpus)
    assert (task.family, task.prompt) == ("ch14", "k = 6\n\na = 1\n# add one\n")


def test_what_is_cut_off_within_a_line_is_dropped() -> None:
    assert trimmed("x = 1\n", "y = x\nfor i in range(3):\n    print(i)\nz = (1,") == (
        "y = x\nfor i in range(3):\n    print(i)\n"
    )
    assert trimmed("x = 1\n", "y = (") == "" == trimmed("x = 1\n", "")


def test_they_are_run_with_their_prompt_and_not_ruled_on(corpus: Path) -> None:
    tokenizer = load_model_tokenizer("embedded-random")
    [task] = problems = chosen_problems(CONFIG, corpus)
    found = {}
    with Judge(Sandbox(1), Verifier(1)) as judge:
        for name, text in (("right", task.code + "d = ("), ("broken", "b = a + m\n")):
            engine = FakeEngine({task.prompt: text}, 4096)
            asked = Examiner(engine, judge, tokenizer, TrainingText(()), problems, CONFIG)
            [found[name]] = asked.examine([0])
    right, broken = found["right"], found["broken"]
    assert (right.outcome, right.s, right.group) == ("ran", 1, "held_out")
    assert (broken.outcome, broken.error) == ("failed", "NameError: name 'm' is not defined")
    assert right.verdict == broken.verdict == "unasked" and not right.correct
    figures = summarise([right, replace(broken, problem="other")], lambda text: map(ord, text))
    assert figures["R"] == 1 / 2 and figures["correct"]["all"] is None
    assert figures["pass_at_1"] is None and figures["intervals"]["correct"] is None


def test_a_corpus_without_such_cells_is_refused(tmp_path: Path) -> None:
    store.write(tmp_path, [cell("short", "a = 1\n")], {})
    with pytest.raises(DataError, match="no held-out cell of three statements"):
        chosen_problems(CONFIG, tmp_path)
