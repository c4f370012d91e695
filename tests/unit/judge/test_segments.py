"""What one job gives: output, errors and their lines, and what its segments share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from calcgen_ray.judge import Sandbox
from calcgen_ray.problem import Status


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(servers=1, seconds=20.0) as sandbox:
        yield sandbox


def test_printed_value_of_an_integral(sandbox: Sandbox) -> None:
    code = "from sympy import *\nx = symbols('x')\nprint(integrate(x * cos(x), x))"
    [outcome] = sandbox.run([code])
    assert outcome.ran
    assert outcome.stdout == "x*sin(x) + cos(x)\n"
    assert (outcome.error, outcome.line) == ("", 0)
    assert outcome.seconds > 0


@pytest.mark.parametrize(
    ("code", "error", "line"),
    [
        ("x = 1\n\n1 / 0", "ZeroDivisionError: division by zero", 3),
        ("1 +", "SyntaxError: invalid syntax (<segment 1>, line 1)", 1),
        ("x = 1\nexec('1 +')", "SyntaxError: invalid syntax (<string>, line 1)", 2),
        ("def f():\n    raise KeyError\n\nf()", "KeyError", 2),
        (
            "import sympy\nsympy.Symbol(3)",
            "TypeError: name should be a string, not <class 'int'>",
            2,
        ),
        ("\nimport no_such_package", "ModuleNotFoundError: No module named 'no_such_package'", 2),
        ("import sys\nsys.exit(3)", "SystemExit: 3", 2),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", 1),
        ("input()", "EOFError: EOF when reading a line", 1),
        ("class E(Exception):\n    def __str__(self):\n        1 / 0\nraise E", "E", 4),
        ("x = 1\0", "ValueError: source code string cannot contain null bytes", 0),
        ("x = '\udc80'", None, 0),
    ],
)
def test_failure_with_its_line(sandbox: Sandbox, code: str, error: str | None, line: int) -> None:
    [outcome] = sandbox.run([code])
    assert outcome.status is Status.FAILED
    assert outcome.line == line
    assert outcome.error.startswith("UnicodeEncodeError") if error is None else True
    if error is not None and "null bytes" not in error:  # 3.12 makes it a SyntaxError
        assert outcome.error == error


@pytest.mark.parametrize("code", ["", "import sys\nsys.exit()", "raise SystemExit(0)", "quit()"])
def test_leaving_with_zero_is_no_failure(sandbox: Sandbox, code: str) -> None:
    assert [o.status for o in sandbox.run([code, "print(1)"])] == [Status.RAN, Status.RAN]


def test_long_message_is_cut(sandbox: Sandbox) -> None:
    [outcome] = sandbox.run(["raise ValueError('x' * 10_000)"])
    assert outcome.error == ("ValueError: " + "x" * 10_000)[:500]


def test_names_carry_over_and_failures_do_not_stop(sandbox: Sandbox) -> None:
    first, second, third = sandbox.run(
        ["x = 2\nprint('one')", "print('two')\ny = x\nundefined", "print(x + y, __name__)"]
    )
    assert (first.status, first.stdout) == (Status.RAN, "one\n")
    assert (second.status, second.stdout, second.line) == (Status.FAILED, "two\n", 3)
    assert (third.status, third.stdout) == (Status.RAN, "4 __main__\n")


def test_line_of_an_error_in_an_earlier_segments_function_is_the_call(sandbox: Sandbox) -> None:
    outcomes = sandbox.run(["\n\n\n\ndef f():\n    1 / 0", "x = 1\nf()"])
    assert outcomes[1].line == 2


def test_nothing_carries_over_between_jobs(sandbox: Sandbox) -> None:
    change = "sympy.sin = 3\nbuiltins.leak = x = 1\nos.environ['LEAK'] = '1'"
    assert sandbox.run(["import sympy, builtins, os\n" + change])[0].ran
    [outcome] = sandbox.run(
        ["import sympy, builtins, os\nprint(sympy.sin(0), 'x' in globals(), 'LEAK' in os.environ)"]
    )
    assert outcome.stdout == "0 False False\n"
    assert sandbox.run(["leak"])[0].error.startswith("NameError")


def test_files_live_for_one_job(sandbox: Sandbox) -> None:
    write = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('a.png')\nplt.show()"
    listing = "import os\nprint(os.listdir())"
    assert [o.stdout for o in sandbox.run([write, listing])] == ["", "['a.png']\n"]
    assert sandbox.run([listing])[0].stdout == "[]\n"


def test_text_in_figures(sandbox: Sandbox) -> None:
    code = (
        "import matplotlib.pyplot as plt\nplt.plot([1, 2], label=r'$\\int_0^1 x\\,dx$')\n"
        "plt.title('Ärea αβγ')\nplt.legend()\n"
        "for kind in ('png', 'svg', 'pdf'): plt.savefig('a.' + kind)"
    )
    [outcome] = sandbox.run([code])
    assert outcome.ran, outcome.error


def test_output_of_c_code_is_caught_and_stderr_is_dropped(sandbox: Sandbox) -> None:
    code = "import ctypes, sys, os\nctypes.CDLL(None).puts(b'from C')\nprint('e', file=sys.stderr)"
    assert sandbox.run([code])[0].stdout == "from C\n"
    assert sandbox.run(["import warnings\nwarnings.warn('x')"])[0].stdout == ""


def test_random_numbers_and_hashes_repeat(sandbox: Sandbox) -> None:
    code = (
        "import random, numpy as np\n"
        "print(random.random(), np.random.rand(), hash('a'), {'a', 'b', 'c', 'd'})"
    )
    assert sandbox.run([code])[0].stdout == sandbox.run([code])[0].stdout


def test_source_of_a_function_can_be_read(sandbox: Sandbox) -> None:
    [outcome] = sandbox.run(["import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f))"])
    assert outcome.stdout == "def f():\n    return 1\n\n"


def test_open_figures_stay_for_the_next_segment(sandbox: Sandbox) -> None:
    outcomes = sandbox.run(
        ["import matplotlib.pyplot as plt\nplt.plot([1, 2])", "print(plt.get_fignums())"]
    )
    assert outcomes[1].stdout == "[1]\n"


def test_no_segments_no_outcomes(sandbox: Sandbox) -> None:
    assert sandbox.run([]) == []


def test_a_string_is_no_list_of_segments(sandbox: Sandbox) -> None:
    with pytest.raises(TypeError, match="give a list"):
        sandbox.run("print(1)")
