"""Verified answers: what is right, then what runs, comes first."""

import asyncio

import pytest

from calcgen_ray.judge import Verifier
from calcgen_ray.problem import Completion
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.limits import Verify
from calcgen_ray.serving.running import CodeRunner
from calcgen_ray.serving.verifying import verified

HEAD = "from sympy import *\nx = symbols('x')\n"
RIGHT = HEAD + "result = diff(x**2, x)\n"
WRONG = HEAD + "result = integrate(x**2, x)\n"
BROKEN = HEAD + "result = diff(x**2\n"


@pytest.fixture(scope="module")
def runner():
    made = CodeRunner("basic", 10.0, 4 << 30)
    yield made
    made.close()


def completions(*texts):
    return [Completion("# q\n", text, "stop", 3, 5) for text in texts]


def choose(runner, texts, count, prompt="# q\n", **wanted):
    asked = Verify.model_validate({"verify": True, **wanted})
    with Verifier(1) as verifier:
        return asyncio.run(verified(prompt, completions(*texts), asked, runner, verifier, count))


def test_those_that_run_come_first_and_agreement_decides(runner):
    found = choose(runner, [BROKEN, WRONG, RIGHT, RIGHT + "\n"], 3)
    assert [one.text for one in found][:2] == [RIGHT, RIGHT + "\n"]
    assert found[2].text == WRONG
    told = found[0].calcgen
    assert told["status"] == "ran" and told["result"]["text"] == "2*x"
    assert (told["candidates"], told["agreeing"]) == (4, 2) and "verdict" not in told


def test_an_expected_result_decides_before_agreement(runner):
    expected = {"kind": "expression", "value": "2*x"}
    found = choose(runner, [WRONG, WRONG + "\n", BROKEN, RIGHT], 4, expected=expected)
    assert found[0].text == RIGHT
    assert [one.calcgen["verdict"] for one in found] == ["equal", *["different"] * 3]
    assert found[-1].calcgen["status"] == "failed"


def test_what_is_too_long_to_be_run_has_failed_or_is_refused(runner):
    long = RIGHT + "-" * 100_000
    found = choose(runner, [long, RIGHT], 2)
    assert [one.text for one in found] == [RIGHT, long]
    assert found[1].calcgen["status"] == "failed" and "too many" in str(found[1].calcgen["error"])
    with pytest.raises(ApiError, match="prompt: 100,001 characters; at most 100,000") as refused:
        choose(runner, [RIGHT], 1, prompt="#" * 100_000 + "\n")
    assert refused.value.status == 400


def test_one_text_only(runner):
    found = choose(runner, [RIGHT] * 3, 2)
    assert [one.text for one in found] == [RIGHT, RIGHT]
    assert found[0].calcgen["agreeing"] == 3


@pytest.mark.parametrize(
    ("prompt", "right", "wrong", "family"),
    [
        ("# Differentiate x**2 with respect to x.\n", RIGHT, WRONG, "derivative"),
        ("# Integrate x**2 with respect to x.\n", WRONG, RIGHT, "antiderivative"),
    ],
)
def test_a_problem_of_a_known_family_is_checked(runner, prompt, right, wrong, family):
    found = choose(runner, [wrong, wrong + "\n", right], 3, prompt=prompt)
    assert found[0].text == right
    assert [one.calcgen["verdict"] for one in found] == ["equal", "different", "different"]
    assert {one.calcgen["checked_as"] for one in found} == {family}


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("Integrate sin(x) from 0 to π.", "2"),
        ("Find the derivative of f(x) = c.", "0"),
        ("Find the derivative of f(t) = a**2.", "0"),
        ("Integrate k from x = 0 to x = 2.", "2*k"),
        ("Integrate f(x) = k from 0 to 1.", "k"),
        ("Integrate x**(1/3) from 0 to 8.", "12"),
        ("Find the limit of 1/x as x approaches infinity.", "0"),
        ("Find the limit of 1/x as x approaches 0 from the left.", "-oo"),
    ],
)
def test_right_answers_of_known_families_are_called_right(runner, statement, value):
    right = HEAD + f"k, c = symbols('k c')\nresult = sympify('{value}')\n"
    wrong = HEAD + "result = x + 12345\n"
    found = choose(runner, [wrong, right], 2, prompt=f"# {statement}\n")
    assert [one.calcgen["verdict"] for one in found] == ["equal", "different"]
    assert found[0].text == right


@pytest.mark.parametrize(
    "statement",
    [
        "Integrate exp(-x**x) from 0 to 1.",  # SymPy cannot
        "Integrate x**(1/3) from -1 to 1.",  # real or principal root?
        "Integrate (x - 2)**(1/3) from 0 to 3.", "Integrate sqrt(x) from -1 to 1.",
        "Find the limit of x**(1/3) as x approaches -8.",
        "Find the limit of 1/x as x approaches 0.", "Find the limit of Abs(x)/x as x -> 0.",
        "Find the limit of sin(x) as x approaches infinity.",
        "Integrate x**n from x = 0 to x = 1.", "Find the derivative of Abs(x).",
    ],
)  # fmt: skip
def test_what_sympy_cannot_do_or_has_no_real_value_is_not_judged(runner, statement):
    [one] = choose(runner, [RIGHT], 1, prompt=f"# {statement}\n")
    assert "verdict" not in one.calcgen and "checked_as" not in one.calcgen


def test_a_program_without_a_result_is_neither_right_nor_wrong(runner):
    """It ran: the answer may stand in another variable. What fails is wrong."""
    elsewhere = HEAD + "answer = diff(x**2, x)\nprint(answer)\n"
    prompt = "# Differentiate x**2 with respect to x.\n"
    found = choose(runner, [BROKEN, WRONG, elsewhere, RIGHT], 4, prompt=prompt)
    assert [one.text for one in found] == [RIGHT, elsewhere, WRONG, BROKEN]
    assert [one.calcgen["verdict"] for one in found] == [
        "equal", "unknown", "different", "different",
    ]  # fmt: skip


def test_a_program_that_was_not_let_finish_is_neither_right_nor_wrong():
    runner = CodeRunner("basic", 1.5, 1 << 30)
    slow = HEAD + "while True: pass\n"
    large = HEAD + "y = bytearray(1 << 31)\nresult = 2*x\n"
    try:
        expected = {"kind": "expression", "value": "2*x"}
        found = choose(runner, [slow, large], 2, expected=expected)
    finally:
        runner.close()
    told = {one.calcgen["status"]: one.calcgen["verdict"] for one in found}
    assert told == {"timeout": "unknown", "memory": "unknown"}
