"""Numerical calculus with NumPy: sums, differences, extrema on a grid, roots, Euler steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from sympy import Symbol

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
from calcgen_ray.corpus.families.values import is_real, is_steady, values, walk_quietly
from calcgen_ray.problem import Difficulty, Expected, Kind

PHRASINGS = {
    "trapezoid": (
        "Integrate {f} from {a} to {b} numerically with the trapezoidal rule on {n} points.",
        "Approximate the area under {f} on [{a}, {b}] by trapezoids, {n} points.",
        "Use NumPy to estimate the integral of {f} over [{a}, {b}] with {n} grid points.",
    ),
    "midpoint": (
        "Approximate the integral of {f} from {a} to {b} by a midpoint sum of {m} strips.",
        "Compute the midpoint Riemann sum of {f} on [{a}, {b}] with {m} rectangles.",
    ),
    "values": (
        "Tabulate {f} at {k} equally spaced points from {a} to {b}.",
        "Evaluate {f} with NumPy on {k} points of [{a}, {b}].",
    ),
    "maximum": (
        "Find the largest value of {f} on a grid of {n} points from {a} to {b}.",
        "Sample {f} at {n} points of [{a}, {b}] and give the maximum.",
    ),
    "mean": (
        "Compute the mean of {f} over {n} grid points from {a} to {b}.",
        "Average {f} on {n} equally spaced points of [{a}, {b}].",
    ),
    "gradient": (
        "Compute the numerical gradient of {f} at {k} points from {a} to {b}.",
        "Use np.gradient to differentiate {f} on {k} points of [{a}, {b}].",
    ),
    "difference": (
        "Estimate the derivative of {f} at {x} = {c} by a central difference with h = {h}.",
        "Differentiate {f} numerically at {c}, step {h}.",
    ),
    "cumulative": (
        "Compute the running integral of {f} at {k} points from {a} to {b} by trapezoids.",
        "Accumulate the area under {f} over {k} points of [{a}, {b}], trapezoidal rule.",
    ),
    "length": (
        "Approximate the arc length of y = {f} from {a} to {b} with {n} points.",
        "How long is the curve y = {f} on [{a}, {b}]? Use a polygon of {n} points.",
    ),
    "root": (
        "Find the root of {f} between {a} and {b} numerically.",
        "Solve {f} = 0 for {x} in [{a}, {b}] with brentq.",
    ),
    "euler": (
        "Integrate y' = {f} from {x} = 0, y = {y0} with {m} Euler steps of size {h}.",
        "Apply Euler's method to y' = {f}, y(0) = {y0}: {m} steps, h = {h}.",
    ),
}
VARIANTS: dict[Difficulty, tuple[str, ...]] = {
    "easy": ("trapezoid", "values", "maximum", "mean"),
    "medium": ("trapezoid", "midpoint", "gradient", "difference", "maximum", "values"),
    "hard": ("trapezoid", "midpoint", "gradient", "cumulative", "length", "root", "euler"),
}
INTERVALS = ((0, 1), (0, 2), (1, 2), (1, 3), (-1, 1), (0, 3), (1, 4), (-2, 2), (2, 5), (0, 4))
RTOL = 1e-6
NAMES = {
    "x": "variable", "a": "low", "b": "high", "c": "point", "n": "points", "m": "steps",
    "k": "points", "h": "step", "y0": "start",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """A function on an interval with the sizes a method may want."""

    f: Any
    x: Symbol
    a: int
    b: int
    n: int
    m: int
    k: int

    @property
    def y(self) -> str:
        """The name of its values in the code."""
        return "v" if str(self.x) == "y" else "y"

    @property
    def np(self) -> str:
        """The function as NumPy source."""
        return numpy_source(self.f)

    def on(self, points: Any) -> Any:
        """Its real values."""
        return values(self.f, self.x, points).real

    def grid(self, number: int) -> Any:
        return np.linspace(self.a, self.b, number)

    def lines(self, number: int) -> list[str]:
        """The grid and the values as source."""
        return [f"{self.x} = np.linspace({self.a}, {self.b}, {number})", f"{self.y} = {self.np}"]


Answer = tuple[list[str], Any, Mapping[str, str]]
"""Lines of code up to `result`, the value, and the fields of the wording beyond the common ones."""


def trapezoid(rng: Random, task: Task) -> Answer:
    value = np.trapezoid(task.on(task.grid(task.n)), task.grid(task.n))
    return [*task.lines(task.n), f"result = np.trapezoid({task.y}, {task.x})"], value, {}


def midpoint(rng: Random, task: Task) -> Answer:
    h = (task.b - task.a) / task.m
    lines = [
        f"h = ({task.b} - {task.a})/{task.m}",
        f"{task.x} = {task.a} + h*(np.arange({task.m}) + 0.5)",
        f"result = h*np.sum({task.np})",
    ]
    return lines, h * task.on(task.a + h * (np.arange(task.m) + 0.5)).sum(), {}


def tabulate(rng: Random, task: Task) -> Answer:
    lines = [task.lines(task.k)[0], f"result = {task.np}"]
    return lines, task.on(task.grid(task.k)), {}


def maximum(rng: Random, task: Task) -> Answer:
    call = rng.choice((f"{task.y}.max()", f"np.max({task.y})"))
    return [*task.lines(task.n), f"result = {call}"], task.on(task.grid(task.n)).max(), {}


def mean(rng: Random, task: Task) -> Answer:
    call = rng.choice((f"{task.y}.mean()", f"np.mean({task.y})"))
    return [*task.lines(task.n), f"result = {call}"], task.on(task.grid(task.n)).mean(), {}


def gradient(rng: Random, task: Task) -> Answer:
    value = np.gradient(task.on(task.grid(task.k)), task.grid(task.k))
    return [*task.lines(task.k), f"result = np.gradient({task.y}, {task.x})"], value, {}


def difference(rng: Random, task: Task) -> Answer:
    c = (task.a + task.b) / 2
    lines = [
        f"def f({task.x}):",
        f"    return {task.np}",
        "",
        "h = 0.001",
        f"result = (f({c} + h) - f({c} - h))/(2*h)",
    ]
    low, high = task.on([c - 0.001, c + 0.001])
    return lines, (high - low) / 0.002, {"c": str(c), "h": "0.001"}


def cumulative(rng: Random, task: Task) -> Answer:
    v, points = task.on(task.grid(task.k)), task.grid(task.k)
    y = task.y
    line = f"result = np.cumsum(({y}[1:] + {y}[:-1])/2*np.diff({task.x}))"
    return [*task.lines(task.k), line], np.cumsum((v[1:] + v[:-1]) / 2 * np.diff(points)), {}


def length(rng: Random, task: Task) -> Answer:
    steps = np.hypot(np.diff(task.grid(task.n)), np.diff(task.on(task.grid(task.n))))
    line = f"result = np.sum(np.hypot(np.diff({task.x}), np.diff({task.y})))"
    return [*task.lines(task.n), line], steps.sum(), {}


def bisect(task: Task) -> float:
    """The zero between the ends, to the last digits; rejects unless there is one, crossed once."""
    signs = np.sign(task.on(task.grid(101)))
    require(bool(signs[0] * signs[-1] < 0 and np.count_nonzero(np.diff(signs)) == 1))
    low, high = float(task.a), float(task.b)
    for _ in range(60):
        middle = (low + high) / 2
        if np.sign(task.on([middle])[0]) == signs[0]:
            low = middle
        else:
            high = middle
    return low


def root(rng: Random, task: Task) -> Answer:
    value = bisect(task)
    require(bool(abs(task.on([value])[0]) < 1e-9))
    lines = [
        "from scipy.optimize import brentq",
        "",
        f"result = brentq(lambda {task.x}: {task.np}, {task.a}, {task.b})",
    ]
    return lines, value, {}


SIZES = {
    "trapezoid": "abn", "midpoint": "abm", "values": "abk", "maximum": "abn", "mean": "abn",
    "gradient": "abk", "difference": "", "cumulative": "abk", "length": "abn", "root": "ab",
}  # fmt: skip
"""Which sizes of the task each method uses."""

ANSWERS = {
    "trapezoid": trapezoid,
    "midpoint": midpoint,
    "values": tabulate,
    "maximum": maximum,
    "mean": mean,
    "gradient": gradient,
    "difference": difference,
    "cumulative": cumulative,
    "length": length,
    "root": root,
}


def finish(rng: Random, variant: str, f: Any, answer: Answer, fields: Mapping[str, str]) -> Draft:
    """The draft, the value cut to ten digits so that it is the same on every processor."""
    lines, value, more = answer
    found = np.asarray(value, dtype=float)
    require(bool(np.isfinite(found).all() and np.abs(found).max() < 1e6))
    require(bool(np.abs(found).max() > 1e-3))
    kind = Kind.ARRAY if found.ndim else Kind.NUMBER
    rounded = [float(f"{one:.10g}") if abs(one) > 1e-12 else 0.0 for one in found.ravel()]
    question = ask(variant, f=f, **fields, **more)
    named = {NAMES.get(key, key): field for key, field in {**fields, **more}.items()}
    given = {"function": text(f), "method": variant, "rtol": str(RTOL), **named}
    written = json.dumps(rounded if found.ndim else rounded[0])
    head = ["import numpy as np"] if any("np." in line for line in lines) else []
    gap = [""] if head and variant != "root" else []
    code = "\n".join([*head, *gap, *lines])
    expected = Expected(kind, written, given)
    return Draft(question, f"{code}\nprint(result)\n", expected,
                 f"numeric: {skeleton(f)}")  # fmt: skip


def euler(f: Any, x: Symbol, y: Symbol, start: float, steps: int, h: float) -> float:
    """Euler steps for y' = f(x, y) from x = 0: y_(i+1) = y_i + h f(x_i, y_i)."""
    at, value = 0.0, start
    for _ in range(steps):
        slope = walk_quietly(f, {x: np.array([at]), y: np.array([value])})[0]
        value += h * float(slope.real)
        at += h
        require(bool(np.isfinite(value) and abs(value) < 1e4 and slope.imag == 0))
    return value


def draw_euler(rng: Random, planned: int, shape: Shape) -> Draft:
    """A few Euler steps, of an equation that does not blow a small difference up."""
    x, y = Symbol(rng.choice("xt")), Symbol("y")
    f = draw_function(rng, planned, shape, [x, y])
    start, m, h = rng.randint(1, 3), rng.choice([4, 5, 8, 10]), rng.choice([0.05, 0.1, 0.2])
    value = euler(f, x, y, start, m, h)
    require(abs(euler(f, x, y, start + 1e-7, m, h) - value) < 1e-5)
    source = numpy_source(f)
    lines = [
        f"{x}, y, h = 0.0, {start}.0, {h}",
        f"for _ in range({m}):",
        f"    y += h*({source})",
        f"    {x} += h",
        "result = y",
    ]
    fields = {"x": str(x), "y0": str(start), "m": str(m), "h": str(h)}
    return finish(rng, "euler", f, (lines, value, {}), fields)


def draw(rng: Random, difficulty: Difficulty, shape: Shape) -> Draft:
    """Sums and maxima first; then differences; then lengths, roots and differential equations."""
    variant = rng.choice(VARIANTS[difficulty])
    return insist(lambda: draw_variant(rng, variant, difficulty, shape))


def draw_variant(rng: Random, variant: str, difficulty: Difficulty, shape: Shape) -> Draft:
    if variant == "euler":
        return draw_euler(rng, shape.size(rng, difficulty, 4), shape)
    x = draw_variable(rng)
    f = draw_function(rng, shape.size(rng, difficulty, 5), shape, [x])
    a, b = rng.choice(INTERVALS)
    require(nodes(f) <= 30 and is_real(f, x, a, b, 1e4))
    require(is_steady(f, x, a, b))
    n, m, k = rng.choice([101, 201, 501, 1001]), rng.choice([10, 20, 50, 100]), rng.randint(4, 8)
    task = Task(f, x, a, b, n, m, k)
    fields = {"x": str(x), **{name: str(getattr(task, name)) for name in SIZES[variant]}}
    return finish(rng, variant, f, ANSWERS[variant](rng, task), fields)


FAMILY = Family("numerics", PHRASINGS, draw)
