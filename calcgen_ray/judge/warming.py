"""What a server does once, and each child before its job, so that a job finds everything warm.

A server imports what jobs import, and uses once what is lazy in it. A child shares the server's
memory until it writes to it, and Python writes to whatever it looks at; the first write to a page
costs some 3 microseconds. So a child takes a short walk through the library while it waits: most
of what the walk writes to, a job would have written to.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from contextlib import redirect_stdout

WALK = """
import sympy as sp
import numpy as np
x, y = sp.symbols('x y')
f = sp.sin(x)**2 * sp.exp(-x) + sp.log(x) / (x**2 + 1)
text = str(f)
values = sp.lambdify(x, f, 'numpy')(np.linspace(1, 2, 5))
"""
"""Chosen by pages written per millisecond: building, printing and lambdify are cheap, solving and
integrating are not."""


def import_all() -> None:
    """Imports and uses once what jobs use. Takes a second or two."""
    import matplotlib.pyplot as plt
    import numpy as np
    import sympy as sp

    x, f = sp.Symbol("x"), sp.Function("f")
    sp.latex(sp.integrate(sp.sin(x) * sp.exp(x), x))
    sp.mathml(sp.sin(x), printer="presentation")
    sp.integrate(1 / (x * sp.log(x) + x), x)
    sp.integrate(sp.exp(-(x**2)), (x, 0, sp.oo))
    sp.series(sp.cos(x), x, 0, 4)
    sp.solveset(sp.sin(x) - 1, x, sp.Interval(0, 7))
    sp.solve(x**3 - 2, x)
    sp.dsolve(f(x).diff(x, 2) - f(x))
    sp.nsolve(sp.cos(x) - x, 1)
    sp.calculus.util.continuous_domain(1 / x, x, sp.S.Reals)
    sp.apart(1 / (x**2 - 1))
    sp.limit(sp.sin(x) / x, x, 0)
    sp.simplify(sp.expand((x + 1) ** 2) - x**2)
    sp.lambdify(x, sp.sin(x))(np.ones(2))
    warnings.filterwarnings("ignore", message=".*non-interactive.*")  # plt.show() under Agg
    plt.plot([0, 1])
    plt.axis("off")  # no text: fonts stay open and are read lazily, and children close them
    plt.savefig(io.BytesIO())
    plt.savefig(io.BytesIO(), format="svg")
    plt.close("all")
    walk()


def walk() -> None:
    """Touches what most jobs will; leaves SymPy's cache as empty as it was."""
    with open(os.devnull, "w") as null, redirect_stdout(null):
        exec(compile(WALK, "<walk>", "exec"), {"__name__": "__main__"})
    sys.modules["sympy"].core.cache.clear_cache()
