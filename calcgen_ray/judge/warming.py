"""What a server does once, so that its children find everything imported and used before."""

from __future__ import annotations

import io
import warnings

TYPICAL = (
    """
import sympy as sp
import numpy as np
x = sp.symbols('x')
result = sp.diff(sp.sin(x)**2 * sp.exp(-x) + sp.log(x) / (x**2 + 1), x)
values = sp.lambdify(x, result, 'numpy')(np.linspace(1, 2, 5))
text = str(result)
""",
    """
import sympy as sp
x, y = sp.symbols('x y')
result = [sp.integrate(x * sp.cos(x), x), sp.limit(sp.sin(x) / x, x, 0), sp.solve(x**2 - 2, x)]
text = str(result)
""",
)
"""Two short jobs that are unlike each other."""


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
