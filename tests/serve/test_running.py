"""`POST /v1/run` on the real endpoint: code runs in the sandbox, and what came of it comes back."""

from __future__ import annotations

import base64

import httpx
import pytest

pytestmark = pytest.mark.serve

DERIVATIVE = (
    "import sympy as sp\nx = sp.symbols('x')\nresult = sp.diff(sp.sin(x)**2, x)\nprint(1)\n"
)


def ask(url, **body):
    return httpx.post(f"{url}/v1/run", json=body, timeout=60)


def test_a_result_in_three_forms(url):
    answer = ask(url, code=DERIVATIVE).json()
    assert answer["object"] == "calcgen.run" and answer["status"] == "ran"
    assert answer["error"] is None and answer["line"] is None and answer["figures"] == []
    assert answer["stdout"] == "1\n" and 0 < answer["seconds"] < 10
    assert answer["result"]["text"] == "2*sin(x)*cos(x)"
    assert answer["result"]["latex"] == r"2 \sin{\left(x \right)} \cos{\left(x \right)}"
    assert "<sin/>" in answer["result"]["mathml"] or "sin" in answer["result"]["mathml"]


def test_a_figure_and_another_variable(url):
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nanswer = 3\nplt.show()"
    told = ask(url, code=code, result="answer").json()
    assert told["result"]["text"] == "3"
    [figure] = told["figures"]
    assert base64.b64decode(figure).startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(
    ("code", "status", "error", "line"),
    [
        ("x = 1\n1/0\n", "failed", "ZeroDivisionError", 2),
        ("import socket\nsocket.socket()\n", "failed", "", 2),
        ("open('/etc/passwd').read()\n", "failed", "", 1),
    ],
)
def test_what_fails_says_where(url, code, status, error, line):
    told = ask(url, code=code).json()
    assert (told["status"], told["line"], told["result"]) == (status, line, None)
    assert error in told["error"]


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({}, "code", "is missing"),
        ({"code": ""}, "code", "at least 1 character"),
        ({"code": "1" * 100_001}, "code", "at most 100000 characters"),
        ({"code": 5}, "code", "got 5"),
        ({"code": "1", "result": "a.b"}, "result", "the name of a variable is needed"),
        ({"code": "1", "file": "x"}, None, "file: is no field of this request"),
    ],
)
def test_bad_input_is_one_line(url, body, param, words):
    response = ask(url, **body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert words in error["message"] and error["param"] == param and "\n" not in error["message"]


def test_a_form_of_another_site_is_refused(url):
    text = '{"code": "1"}'
    for path in ("run", "completions"):
        response = httpx.post(
            f"{url}/v1/{path}", content=text, headers={"content-type": "text/plain"}, timeout=60
        )
        assert response.status_code == 415
        assert "send application/json" in response.json()["error"]["message"]
