"""Problems through an engine without a model and the real judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from calcgen_ray.config import EvaluateConfig
from calcgen_ray.evaluate.copies import TrainingText
from calcgen_ray.evaluate.examiner import Examiner, chosen_problems, tasks
from calcgen_ray.generate.fake import FakeEngine
from calcgen_ray.judge import Judge, Sandbox, Verifier
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.model.tokenizer import encode

NOWHERE = Path("nowhere")
EVERY = chosen_problems(EvaluateConfig(), NOWHERE)
CONFIG = EvaluateConfig(problems=8, samples=2, task_problems=3, max_tokens=2000)


@pytest.fixture(scope="module")
def judge():
    with Judge(Sandbox(1), Verifier(1), recheck=True) as opened:
        yield opened


def examiner(judge: Judge, replies: dict[str, str], cells: tuple[str, ...] = ()) -> Examiner:
    tokenizer = load_model_tokenizer("embedded")
    training = TrainingText(encode(tokenizer, cell) for cell in cells)
    problems = chosen_problems(CONFIG, NOWHERE)
    return Examiner(FakeEngine(replies, 4096), judge, tokenizer, training, problems, CONFIG)


def test_tasks_hold_each_problem_once() -> None:
    assert [list(task) for task in tasks(CONFIG, NOWHERE)] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert len(chosen_problems(CONFIG, NOWHERE)) == 8
    assert len({p.id for p in chosen_problems(CONFIG, NOWHERE)}) == 8
    assert sum(map(len, tasks(EvaluateConfig(), NOWHERE))) == len(EVERY) == 863


def test_reference_solutions_are_right_and_alike(judge) -> None:
    problems = chosen_problems(CONFIG, NOWHERE)
    found = examiner(judge, {p.prompt: p.code for p in problems}).examine(range(8))
    assert [(r.problem, r.sample) for r in found] == [
        (p.id, k) for p in problems for k in range(3)
    ]  # fmt: skip
    for record in found:
        assert (record.outcome, record.verdict, record.correct) == ("ran", "equal", True)
        assert record.s == record.precision == record.f1 == 1
        assert record.seconds > 0 and not record.copied


def test_wrong_and_broken_programs_are_told_apart(judge) -> None:
    first, second, third = chosen_problems(CONFIG, NOWHERE)[:3]
    replies = {first.prompt: "result = 12345\n", second.prompt: "\n1/0\n", third.prompt: "pass\n"}
    greedy = [r for r in examiner(judge, replies).examine(range(3)) if r.sample == 0]
    assert [(r.outcome, r.verdict) for r in greedy] == [
        ("ran", "different"), ("failed", "different"), ("ran", "different"),
    ]  # fmt: skip
    assert greedy[1].error == "ZeroDivisionError: division by zero" and greedy[1].line == 2
    assert greedy[2].reason == "no variable named result" and greedy[2].s == 0


def test_an_answer_that_is_written_down_is_wrong(judge) -> None:
    problem = next(p for p in EVERY if p.family == "derivatives")
    [name, *_] = problem.expected.given["variable"].split(",")
    code = f"from sympy import *\n{name} = symbols('{name}')\nresult = {problem.expected.value}\n"
    place = EVERY.index(problem)
    asked = examiner(judge, {problem.prompt: code})
    asked.problems = EVERY
    [greedy, *_] = asked.examine([place])
    assert (greedy.outcome, greedy.verdict, greedy.correct) == ("ran", "equal", False)
    assert greedy.reason == "right, but written down and not computed"


def test_a_copy_of_a_training_cell_is_told(judge) -> None:
    first, second = chosen_problems(CONFIG, NOWHERE)[:2]
    replies = {p.prompt: p.code for p in (first, second)}
    found = examiner(judge, replies, (first.text,)).examine(range(2))
    copied = {r.problem: r.copied for r in found}
    assert copied == {first.id: True, second.id: False}
    longest = {r.problem: r.copied_tokens for r in found}
    assert longest[first.id] > longest[second.id] > 0


def test_samples_differ_from_one_another_and_come_again(judge) -> None:
    one, again = (examiner(judge, {}).examine(range(2)) for _ in range(2))
    assert [r.code for r in one] == [r.code for r in again]
    assert len({r.code for r in one}) == 6
