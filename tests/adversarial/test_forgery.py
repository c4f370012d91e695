"""Programs that want to be judged right without being so, and programs that attack the judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from calcgen_ray.judge import Judge, Sandbox, Verifier
from calcgen_ray.problem import Expected, Kind, Problem, Status, Verdict

EXPECTED = Expected(Kind.EXPRESSION, "2*x*cos(x**2)", {"variable": "x"})
PROBLEM = Problem("t-0", "derivatives", "easy", "t/0", "", "", EXPECTED, "")
RIGHT = "import sympy as sp\nx = sp.symbols('x')\nresult = sp.diff(sp.sin(x**2), x)"
FRAMES = """
import sys, os, json, gc
frame, secret = sys._getframe(), None
while frame:
    secret = frame.f_locals.get("secret", secret)
    channel = frame.f_locals.get("channel")
    frame = frame.f_back
"""


@pytest.fixture(scope="module")
def opened() -> Iterator[Judge]:
    with Judge(Sandbox(servers=1, seconds=5.0), Verifier(1, seconds=2.0), recheck=True) as judge:
        yield judge


@pytest.fixture
def judge(opened: Judge) -> Iterator[Judge]:
    pids = opened.sandbox.pids + opened.verifier.pids
    yield opened
    assert opened.judge(PROBLEM, RIGHT).correct
    assert opened.sandbox.pids + opened.verifier.pids == pids


FORGERIES = {
    "equal to everything": "class E:\n    def __eq__(self, other): return True\nresult = E()",
    "an expression equal to everything": "import sympy as sp\nclass E(sp.Symbol):\n"
    "    def __eq__(self, other): return True\n    __hash__ = sp.Symbol.__hash__\n"
    "result = E('x')",
    "sympy's equality": "import sympy as sp\nsp.Basic.__eq__ = lambda a, b: True\n"
    "result = sp.Symbol('x')",
    "sympy's simplify": "import sympy as sp\nsp.simplify = lambda e: sp.Integer(0)\n"
    "sp.Expr.equals = lambda a, b: True\nresult = sp.Symbol('x')",
    "a verdict for a result": "result = {'verdict': 'equal', 'method': 'structure'}",
    "a verdict for an encoding": "import sys\n"
    "for m in list(sys.modules.values()):\n"
    "    if hasattr(m, 'encode') and 'calcgen' in getattr(m, '__name__', ''):\n"
    "        m.encode = lambda value: {'verdict': 'equal'}\nresult = 1",
    "the text for the expression": "print('2*x*cos(x**2)')\nresult = '2*x*cos(x**2)'",
    "printing alone": "print('2*x*cos(x**2)')",
    "a name that is code": "import sympy as sp\n"
    "result = sp.Symbol('__import__(\"os\")._exit(0)')",
    "an unevaluated derivative": "import sympy as sp\nx = sp.symbols('x')\n"
    "result = sp.Derivative(sp.sin(x**2), x)",
    "an undefined function": "import sympy as sp\nresult = sp.Function('f')(sp.Symbol('x'))",
    "a report on itself": FRAMES + "os.write(channel, secret + json.dumps({'index': 0, "
    "'status': 'ran', 'verdict': 'equal', 'result': True}).encode())\nos._exit(0)",
    "a piece without an end": FRAMES + "for _ in range(1000): os.write(channel, secret + b'+' + "
    "b'x' * 30_000)\nresult = 1",
    "pieces of nothing": FRAMES + "for _ in range(200_000): os.write(channel, secret + b'.')\n"
    "result = 1",
    "a deep result": FRAMES + "os.write(channel, secret + b'.' + b'[' * 30_000)\nresult = 1",
    "arguments of its own": "import sympy as sp\nx = sp.symbols('x')\nresult = x + 1\n"
    "class T(tuple):\n    def __iter__(self):\n        while True: yield x\n"
    "result._args = T(result._args)",
    "a class named Mul": "import sympy as sp\nx = sp.symbols('x')\n"
    "Mul = type('Mul', (sp.Function,), {})\nresult = Mul(2, x, sp.cos(x))",
    "an early exit": "import sys\nresult = 1\nsys.exit(0)",
    "an exit handler": "import atexit\natexit.register(print, 'equal')\nresult = 1",
    "an answer learnt by heart": "import sympy as sp\nx = sp.symbols('x')\n"
    "f = sp.sin(x**2)\nresult = 2*x*sp.cos(x**2)",
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_is_not_correct(judge: Judge, name: str) -> None:
    known = Expected(EXPECTED.kind, EXPECTED.value, {"variable": "x", "function": "sin(x**2)"})
    problem = Problem("t-0", "derivatives", "easy", "t/0", "", "", known, "")
    found = judge.judge(problem, FORGERIES[name])
    assert not found.correct, found


HEAVY = {
    "a tower of powers": "import sympy as sp\nresult = sp.Pow(9, sp.Pow(9, 99, evaluate=False), "
    "evaluate=False)",
    "a large power": "import sympy as sp\nx = sp.symbols('x')\nresult = x**(10**9)",
    "a factorial": "import sympy as sp\nresult = sp.factorial(10**7, evaluate=False)",
    "many terms": "import sympy as sp\nx = sp.symbols('x')\n"
    "result = sp.Add(*[x**n for n in range(20_000)])",
    "deep": "import sympy as sp\nx = sp.symbols('x')\ne = x\n"
    "for _ in range(300): e = sp.sin(e)\nresult = e",
    "a long list": "result = list(range(10**6))",
    "a list in itself": "result = []\nresult.append(result)",
    "a huge plot": "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\n"
    "ax.plot(range(10**6), range(10**6))\nresult = fig",
}


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_result_is_bounded(judge: Judge, name: str) -> None:
    found = judge.judge(PROBLEM, HEAVY[name])
    assert found.ruling.verdict is not Verdict.EQUAL
    assert found.ruling.seconds < 3.0


def test_huge_figure_is_bounded(opened: Judge) -> None:
    code = "import matplotlib.pyplot as plt\nplt.figure(figsize=(500, 400))\nplt.plot([1, 2])"
    [outcome] = opened.sandbox.run([code], figures=True)
    assert outcome.ran and len(outcome.figures) == 1
    assert len(outcome.figures[0]) < 1 << 20


def test_figures_that_hang_lose_only_themselves(opened: Judge) -> None:
    code = (
        "import matplotlib.pyplot as plt, sympy as sp\nfig = plt.figure()\n"
        "class F(type(fig)):\n    def savefig(self, *a, **k):\n        while True: pass\n"
        "fig.__class__ = F\nresult = sp.Symbol('x')"
    )
    [outcome] = opened.sandbox.run([code], result="result", forms=True, figures=True)
    assert outcome.status is Status.RAN
    assert (outcome.result, outcome.figures) == (["Symbol", "x"], ())
    assert outcome.forms["latex"] == "x"
