"""Plots: a line must follow the function over the whole interval.

Every point of it is compared, and it must have points close enough that the straight pieces
between them follow the function too. A second function needs a line of its own; where that is the
derivative of the first, `numpy.gradient` of the first's values does as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from calcgen_ray.judge.verdict.finding import Finding, NotAnswerError, different, equal
from calcgen_ray.judge.verdict.numbers import floats
from calcgen_ray.judge.verdict.parsing import parse
from calcgen_ray.judge.verdict.tree import kind_of

RTOL = 1e-6  # of the size of the function
ENDS = 0.03  # of the interval that may be missing at each end
BETWEEN = 0.03  # of the function's range that a straight piece may be off
LEAST = 2

Array = NDArray[np.float64]


@lru_cache(maxsize=1024)
def function(text: str, variable: str) -> Any:
    """The expected function for NumPy: lambdify is given our own text only."""
    return sympy.lambdify(sympy.Symbol(variable), parse(text), "numpy")


def values(text: str, variable: str, points: Array) -> Array:
    """Its real values; nan where there are none."""
    with np.errstate(all="ignore"):
        found = np.asarray(function(text, variable)(points + 0j))
        found = np.broadcast_to(found, points.shape)
        return np.where(np.abs(found.imag) < 1e-9 * (1 + np.abs(found)), found.real, np.nan)


def decide_plot(expected: Any, given: Mapping[str, str], answer: Any) -> Finding:
    """Whether the lines drawn hold the curve, and the second one where there is one."""
    lines = read(answer, given)
    if not lines:
        raise NotAnswerError("nothing is drawn")
    main = given["function"]
    if not any(follows(line, main, given) for line in lines):
        return different("points", f"no line follows {main[:100]}")
    second = given.get("second")
    if second and not any(follows(line, second, given, of=main) for line in lines):
        return different("points", f"no line follows {second[:100]}")
    return equal("points", f"{len(lines)} lines")


def read(tree: Any, given: Mapping[str, str]) -> list[tuple[Array, Array]]:
    """The lines of a plot; or values alone, which stand evenly over the interval."""
    match tree:
        case {"lines": list(lines)}:
            return [(to_array(line["x"]), to_array(line["y"])) for line in lines]
        case {"list": list(items)} | {"tuple": list(items)} if any("lines" in i for i in items):
            return [line for item in items if "lines" in item for line in read(item, given)]
        case {"array": list(numbers), "shape": [int(size)], "step": int(step)}:
            low, high = float(given["low"]), float(given["high"])
            xs = np.linspace(low, high, size)[::step]
            return [(xs, to_array(numbers))] if len(xs) == len(numbers) else []
        case {"list": list(items)}:
            ys = np.array(floats(tree))
            return [(np.linspace(float(given["low"]), float(given["high"]), len(items)), ys)]
        case _:
            raise NotAnswerError(f"{kind_of(tree)} is no plot")


def to_array(numbers: Any) -> Array:
    return np.array([float(number) for number in numbers])


def follows(
    line: tuple[Array, Array], text: str, given: Mapping[str, str], of: str | None = None
) -> bool:
    """Whether a line is the graph of a function, or of the differences of the function `of`."""
    variable, low, high = given["variable"], float(given["low"]), float(given["high"])
    xs, ys = line
    if len(xs) != len(ys) or len(xs) < LEAST or not spans(xs, low, high):
        return False
    wanted = values(text, variable, xs)
    close = fits(ys, wanted)
    if not close and of is not None and len(np.unique(xs)) == len(xs):
        first = values(of, variable, xs)
        close = bool(np.isfinite(first).all()) and fits(ys, np.gradient(first, xs))
    return close and is_dense(xs, text, variable)


def spans(xs: Array, low: float, high: float) -> bool:
    """Whether the points reach over the interval and not far beyond."""
    if not np.isfinite(xs).all():
        return False
    margin = ENDS * (high - low)
    return bool(abs(xs.min() - low) <= margin and abs(xs.max() - high) <= margin)


def fits(ys: Array, wanted: Array) -> bool:
    good = np.isfinite(wanted)
    if good.sum() < LEAST:
        return False
    size = np.abs(wanted[good]).max()
    with np.errstate(invalid="ignore"):
        near = np.abs(ys[good] - wanted[good]) <= RTOL * (np.abs(wanted[good]) + size)
    return bool(near.all())


def is_dense(xs: Array, text: str, variable: str) -> bool:
    """Whether the middle of each straight piece is close to the function."""
    xs = np.sort(xs)
    middle = values(text, variable, (xs[1:] + xs[:-1]) / 2)
    ends = values(text, variable, xs)
    gap = np.abs(middle - (ends[1:] + ends[:-1]) / 2)
    if not np.isfinite(gap).any():
        return False
    return bool(np.nanmedian(gap) <= BETWEEN * (np.nanmax(ends) - np.nanmin(ends)) + 1e-9)
