"""What a server does once, so that its children find everything imported and used before."""

from __future__ import annotations

import contextlib
import io
import os
import warnings

TYPICAL = (
    """
import sympy as sp
x = sp.symbols('x')
f = sp.sin(x)**2 * sp.exp(-x) + sp.log(x) / (x**2 + 1)
result = [sp.diff(f, x), sp.simplify(sp.sin(x)**2 + sp.cos(x)**2)]
print(result, sp.latex(result))
""",
    """
from sympy import *
x, a = symbols('x a', positive=True)
result = [integrate(x*cos(x), x), integrate(sin(x)*exp(x), x), integrate(1/(x*log(x) + x), x)]
result += [integrate(exp(-x**2), (x, 0, oo)), integrate(a*x**2 + sqrt(x), (x, 0, 1))]
mathml(sin(x), printer='presentation')
""",
    """
import sympy as sp
t = sp.Symbol('t')
result = [sp.limit(sp.sin(t) / t, t, 0), sp.limit((1 + 1/t)**t, t, sp.oo)]
result += [sp.series(sp.cos(t), t, 0, 4), sp.log(1 + t).series(t, 0, 3).removeO()]
""",
    """
import sympy as sp
x = sp.symbols('x', real=True)
f = x**3 - 3*x + sp.Rational(1, 2)
result = [sp.solve(sp.diff(f, x), x), sp.solve(x**3 - 2, x), sp.nsolve(sp.cos(x) - x, 1)]
result += [sp.solveset(sp.sin(x) - 1, x, sp.Interval(0, 7))]
result += [sp.calculus.util.continuous_domain(1 / x, x, sp.S.Reals)]
""",
    """
import sympy as sp
x = sp.symbols('x')
y = sp.Function('y')
result = sp.dsolve(sp.Eq(y(x).diff(x, 2), y(x)), y(x))
""",
    """
import sympy as sp
x = sp.symbols('x')
result = [sp.expand((x + 1)**2 - x**2), sp.factor(x**2 - 1), sp.apart(1 / (x**2 - 1))]
result += [sp.cancel((x**2 - 1) / (x - 1)), sp.together(1/x + 1/(x + 1)), sp.trigsimp(sp.sin(x)**2)]
""",
    """
import numpy as np
import sympy as sp
import matplotlib.pyplot as plt
x = sp.symbols('x')
f = sp.lambdify(x, sp.sin(x) + x**2)
xs = np.linspace(0, 1, 50)
values = np.gradient(f(xs), xs), np.trapezoid(f(xs), xs)
fig, ax = plt.subplots()
line, = ax.plot(xs, f(xs), label='f')
ax.set_title('f')
ax.legend()
plt.show()
""",
)
"""Short jobs of this project's own that are unlike each other, the commonest first."""

COMMONEST = TYPICAL[:2]
TIMES = 2  # for the interpreter's own caches; a third time gains nothing


def import_all() -> None:
    """Imports and uses once what jobs use. Takes a second or two."""
    import matplotlib.pyplot as plt

    warnings.filterwarnings("ignore", message=".*non-interactive.*")  # plt.show() under Agg
    plt.plot([0, 1])
    plt.axis("off")  # no text: fonts stay open and are read lazily, and children close them
    plt.savefig(io.BytesIO())
    plt.savefig(io.BytesIO(), format="svg")
    plt.close("all")
    for code in TYPICAL * TIMES:
        run(code)
    plt.close("all")


def run(code: str) -> None:
    """Executes one of these programs as a job would be, without its output."""
    with open(os.devnull, "w") as null, contextlib.redirect_stdout(null):
        exec(compile(code, "<typical>", "exec"), {"__name__": "__main__"})
