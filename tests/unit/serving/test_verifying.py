"""Verified answers: what is right, then what runs, comes first."""

import asyncio

import pytest

from calcgen_ray.judge import Verifier
from calcgen_ray.problem import Completion
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


def test_what_sympy_cannot_do_is_not_judged(runner):
    prompt = "# Integrate exp(-x**x) from 0 to 1.\n"
    [one] = choose(runner, [RIGHT], 1, prompt=prompt)
    assert "verdict" not in one.calcgen
