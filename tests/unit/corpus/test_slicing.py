"""The backward slice: each case one idea, and the law that a slice computes what the whole does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.corpus.names import free_names
from calcgen_ray.corpus.slicing import self_contained

CASES = {
    "imports are cut to what is used": (
        ["import numpy as np, sympy as sym\nfrom sympy import diff, integrate, symbols"],
        "x = symbols('x')\nprint(diff(x**2), np.pi)\n",
        "import numpy as np\nfrom sympy import diff, symbols\n\n",
    ),
    "the latest binding wins": (["a = 1", "a = 2", "b = 3"], "print(a)\n", "a = 2\n\n"),
    "definitions are taken with what they need": (
        ["import math\nk = 2\ndef f(t):\n    return k * math.sin(t)\nunused = 1"],
        "print(f(1))\n",
        "import math\nk = 2\ndef f(t):\n    return k * math.sin(t)\n\n",
    ),
    "a function's names count as of its call": (
        ["def f():\n    return k", "k = 1"], "print(f())\n", "def f():\n    return k\nk = 1\n\n",
    ),
    "changes of an object are taken": (
        ["xs = []", "xs.append(1)\nys = [0]\nys.append(9)", "xs[0] = 5"],
        "print(xs)\n",
        "xs = []\nxs.append(1)\nxs[0] = 5\n\n",
    ),
    "a loop is taken whole": (
        ["s = 0\nfor i in range(3):\n    s += i\nprint(s)"], "print(s)\n",
        "s = 0\nfor i in range(3):\n    s += i\n\n",
    ),
    "a conditional binding keeps the one before it": (
        ["a = 1\nif True:\n    a = 2"], "print(a)\n", "a = 1\nif True:\n    a = 2\n\n",
    ),
    "augmented assignment reads": (["a = 1", "a += 1"], "print(a)\n", "a = 1\na += 1\n\n"),
    "plots and prints are left": (
        ["import matplotlib.pyplot as plt\ny = [1]\nplt.plot(y)\nprint(y)\nplt.show()"],
        "print(y)\n",
        "y = [1]\n\n",
    ),
    "display is imported where a notebook has it": (
        ["a = 1"], "display(a)\n", "from IPython.display import display\na = 1\n\n",
    ),
    "decorators come along": (
        ["import functools\n@functools.cache\ndef f(n):\n    return n"],
        "print(f(2))\n",
        "import functools\n@functools.cache\ndef f(n):\n    return n\n\n",
    ),
    "a star import is kept where names are missing": (
        ["from math import *\na = 1"], "print(sqrt(4))\n", "from math import *\n\n",
    ),
    "a seed counts where random numbers are drawn": (
        ["import numpy as np\nnp.random.seed(1)\na = 2"],
        "print(np.random.rand())\n",
        "import numpy as np\nnp.random.seed(1)\n\n",
    ),
    "nothing is needed": (["a = 1"], "b = 2\nprint(b)\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_slice(name):
    previous, target, expected = CASES[name]
    assert self_contained(previous, target) == expected + target


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("a = b + c", ["b", "c"]),
        ("a = 1\nb = a", []),
        ("[i for i in xs if i > t]", ["xs", "t"]),
        ("f = lambda x, y=z: x + w", ["z", "w"]),
        ("def f(a, *b, c=d, **e):\n    g = a\n    return g + h", ["d", "h"]),
        ("class A(B):\n    x = y\n    def m(self):\n        return q", ["B", "y", "q"]),
        ("try:\n    a\nexcept E as e:\n    print(e)", ["a", "E", "print"]),
        ("with open(p) as f:\n    f.read()", ["open", "p"]),
        ("if (n := g()):\n    n", ["g"]),
        ("a, (b, *c) = d\nb, c", ["d"]),
        ("if t:\n    a = 1\na", ["t", "a"]),
        ("def f():\n    return g()\ndef g():\n    return 1", []),
        ("x[i] = 1\ny.z = 2", ["x", "i", "y"]),
        ("del a", ["a"]),
        ("def f():\n    global n\n    n = m", ["m"]),
    ],
)
def test_free_names(code, names):
    assert sorted(free_names(code)) == sorted(names)


VARIABLES = "abcd"
assignments = st.tuples(
    st.sampled_from(VARIABLES),
    st.sampled_from(["=", "+=", "*="]),
    st.sampled_from([*VARIABLES, "1", "2", "7"]),
    st.sampled_from(["+", "-", "*"]),
    st.sampled_from([*VARIABLES, "3", "5"]),
)


@given(st.lists(assignments, min_size=1, max_size=15), st.integers(1, 4))
def test_the_slice_computes_what_the_whole_does(lines, size):
    start = ["a = 1\nb = 2", "c = 3", "d = 4"]
    body = [f"{name} {op} {one} {sign} {two}" for name, op, one, sign, two in lines]
    cells = start + ["\n".join(body[i : i + size]) for i in range(0, len(body), size)]
    target = "answer = a - b"
    whole, alone = {}, {}
    exec("\n".join([*cells, target]), whole)
    exec(self_contained(cells, target), alone)
    assert whole["answer"] == alone["answer"]
