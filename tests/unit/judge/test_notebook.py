"""What a notebook's cells find: display, its kinds of text, get_ipython, matplotlib_inline."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from calcgen_ray.judge import Sandbox
from calcgen_ray.problem import Status

pytestmark = pytest.mark.skipif(
    find_spec("IPython") is not None, reason="the real IPython prints in its own way"
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(servers=1, seconds=20.0) as sandbox:
        yield sandbox


def test_first_cell_of_the_real_corpus(sandbox: Sandbox) -> None:
    cell = (
        "import sympy as sym\n"
        "from IPython.display import display, Math\n"
        "import matplotlib_inline.backend_inline\n"
        "matplotlib_inline.backend_inline.set_matplotlib_formats('svg')\n"
        "x = sym.symbols('x')\n"
        "display(Math('f(x) = %s' % sym.latex(x**2)), x**2 / 2)"
    )
    [outcome] = sandbox.run([cell], notebook=True)
    assert outcome.ran, outcome.error
    assert outcome.stdout == "f(x) = x^{2}\nx**2/2\n"


@pytest.mark.parametrize("kind", ["Math", "Latex", "Markdown", "HTML"])
def test_sources_are_printed(sandbox: Sandbox, kind: str) -> None:
    for module in ("IPython.display", "IPython.core.display"):
        [outcome] = sandbox.run(
            [f"from {module} import display, {kind}\ndisplay({kind}('a'), 'b')"]
        )
        assert outcome.stdout == "a\n'b'\n"


def test_builtin_names_only_in_a_notebook(sandbox: Sandbox) -> None:
    cell = "display(1)\nget_ipython().run_line_magic('matplotlib', 'inline')"
    assert sandbox.run([cell], notebook=True)[0].stdout == "1\n"
    assert sandbox.run([cell])[0].error == "NameError: name 'display' is not defined"


def test_libraries_that_look_for_a_shell_go_on(sandbox: Sandbox) -> None:
    cell = (
        "from sympy import *\ninit_printing()\nimport matplotlib.pyplot as plt\n"
        "plt.ion()\nplt.plot([1])\nplt.show()\nprint(get_ipython() is not None)"
    )
    [outcome] = sandbox.run([cell], notebook=True)
    assert (outcome.status, outcome.stdout) == (Status.RAN, "True\n"), outcome.error


def test_unknown_parts_are_missing_modules(sandbox: Sandbox) -> None:
    [outcome] = sandbox.run(["import IPython.kernel"], notebook=True)
    assert outcome.error.startswith("ModuleNotFoundError")
