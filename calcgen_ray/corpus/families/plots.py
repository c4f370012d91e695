"""Plots with matplotlib: a function, its derivative, a tangent, two curves, the area below.

`result` is the Axes, or the y data of the drawn line; Expected.given says which.
"""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import sympy
from sympy import Integer, Symbol

from calcgen_ray.corpus.families.drafts import Draft, Family, ask
from calcgen_ray.corpus.families.functions import (
    draw_function,
    draw_variable,
    insist,
    nodes,
    require,
)
from calcgen_ray.corpus.families.rendering import numpy_source, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.families.values import is_real, is_steady, reals, values
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "curve": (
        "Plot {f} for {x} from {a} to {b}.",
        "Draw the graph of f({x}) = {f} on [{a}, {b}].",
        "Use matplotlib to show y = {f} between {a} and {b}.",
        "Graph {f} over the interval [{a}, {b}].",
        "Sketch the curve y = {f}, {a} <= {x} <= {b}.",
        "Make a plot of {f} against {x} with {x} running from {a} to {b}.",
        "Visualize f({x}) = {f} for {a} <= {x} <= {b}.",
    ),
    "derivative": (
        "Plot {f} and its derivative on [{a}, {b}].",
        "Draw y = {f} together with its slope from {a} to {b}.",
        "Show f({x}) = {f} and f'({x}) in one figure for {x} in [{a}, {b}].",
    ),
    "pair": (
        "Plot {f} and {g} on [{a}, {b}] in one figure.",
        "Draw the curves y = {f} and y = {g} for {x} from {a} to {b}.",
        "Compare {f} with {g} graphically over [{a}, {b}].",
    ),
    "tangent": (
        "Plot {f} on [{a}, {b}] with its tangent at {x} = {c}.",
        "Draw y = {f} and the tangent line at {c} for {x} from {a} to {b}.",
    ),
    "area": (
        "Plot {f} on [{a}, {b}] and shade the area under the curve.",
        "Draw y = {f} from {a} to {b} and fill down to the axis.",
    ),
}
VARIANTS: dict[Difficulty, tuple[str, ...]] = {
    "easy": ("curve",),
    "medium": ("curve", "curve", "derivative", "area"),
    "hard": ("curve", "pair", "tangent", "derivative", "area"),
}
INTERVALS = ((0, 1), (0, 2), (1, 3), (-1, 1), (-2, 2), (0, 5), (-3, 3), (1, 5), (0, 10), (-5, 5))


def draw_smooth(rng: Random, planned: int, shape: Shape, x: Symbol, a: int, b: int) -> Any:
    """A random function that is real on [a, b], not flat, and below 1e4 in size."""
    f = draw_function(rng, planned, shape, [x])
    require(nodes(f) <= 30 and is_real(f, x, a, b, 1e4))
    require(is_steady(f, x, a, b))
    require(bool(np.ptp(reals(f, x, a, b)) > 1e-2))
    return f


def second_lines(
    rng: Random, variant: str, f: Any, x: Symbol, a: int, b: int, shape: Shape
) -> tuple[list[str], dict[str, Any]]:
    """What is drawn besides the curve, by code and by fields; "second" is its function."""
    if variant == "pair":
        g = draw_smooth(rng, rng.randint(1, 3), shape, x, a, b)
        require(g != f)
        return [f"ax.plot({x}, {numpy_source(g)})"], {"g": g, "second": g}
    if variant == "derivative":
        return [f"ax.plot({x}, np.gradient({ordinate(x)}, {x}))"], {"second": sympy.diff(f, x)}
    if variant == "tangent":
        c = Integer(rng.randint(a, b))
        slope = sympy.diff(f, x)
        ends = values(slope, x, [float(c)])[0]
        require(bool(np.isfinite(ends) and 1e-3 < abs(ends) < 1e3 and abs(ends.imag) < 1e-12))
        height, lean = f.subs(x, c), slope.subs(x, c)
        lines = [
            f"m = {numpy_source(lean)}",
            f"ax.plot({x}, {numpy_source(height)} + m*({x} - {c}))",
        ]
        require(nodes(height) <= 8 and nodes(lean) <= 10)
        return lines, {"c": c, "second": height + lean * (x - c)}
    if variant == "area":
        return [f"ax.fill_between({x}, {ordinate(x)}, alpha=0.3)"], {}
    return [], {}


def ordinate(x: Symbol) -> str:
    """The name of the values in the code."""
    return "v" if str(x) == "y" else "y"


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """One curve first; then its derivative or area; then tangents and second curves."""
    variant = rng.choice(VARIANTS[difficulty])
    return insist(lambda: draw_variant(rng, variant, difficulty, shape))


def draw_variant(rng: Random, variant: str, difficulty: Difficulty, shape: Shape) -> Draft:
    x = draw_variable(rng)
    a, b = rng.choice(INTERVALS)
    f = draw_smooth(rng, shape.size(rng, difficulty, 5), shape, x, a, b)
    lines, fields = second_lines(rng, variant, f, x, a, b, shape)
    result = rng.choice(("axes", "ydata")) if variant == "curve" else "axes"
    code = code_of(rng, f, x, (a, b), lines, result)
    second = fields.pop("second", None)
    both = (f, fields["g"]) if "g" in fields else f
    question = ask(variant, f=f, x=x, a=str(a), b=str(b), **fields)
    given = {
        "function": text(f), "variable": str(x), "low": str(a), "high": str(b), "result": result,
    }  # fmt: skip
    if second is not None:
        given["second"] = text(second)
    expected = Expected(Kind.PLOT, text(f), given)
    return Draft(question, code, expected, f"plot: {skeleton(both)}")


def code_of(
    rng: Random, f: Any, x: Symbol, ends: tuple[int, int], lines: list[str], result: str
) -> str:
    """The script, with the object interface or, for one curve, with plt.plot."""
    points = rng.choice([100, 200, 400, 500])
    head = [
        "import matplotlib.pyplot as plt", "import numpy as np", "",
        f"{x} = np.linspace({ends[0]}, {ends[1]}, {points})",
    ]  # fmt: skip
    inline = not lines and rng.random() < 0.5
    v = numpy_source(f) if inline else ordinate(x)
    head += [] if inline else [f"{v} = {numpy_source(f)}"]
    if not lines and rng.random() < 0.5:
        body = {
            "axes": [f"plt.plot({x}, {v})", "result = plt.gca()"],
            "ydata": [f"line, = plt.plot({x}, {v})", "result = line.get_ydata()"],
        }[result]
    else:
        body = {
            "axes": ["fig, ax = plt.subplots()", f"ax.plot({x}, {v})", *lines, "result = ax"],
            "ydata": ["fig, ax = plt.subplots()", f"line, = ax.plot({x}, {v})",
                      "result = line.get_ydata()"],
        }[result]  # fmt: skip
    return "\n".join([*head, *body, "plt.show()"]) + "\n"


FAMILY = Family("plots", PHRASINGS, draw)
