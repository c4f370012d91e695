"""Values of an expression on a grid, by NumPy over its tree: quick, without printing or eval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Symbol

Array = NDArray[Any]

GRID = np.array(
    [-3.17, -1.43, -0.61, 0.23, 0.37, 0.71, 0.93, 1.31, 1.87, 2.59, 3.83, 5.47], dtype=np.complex128
)
"""Points spread over the real line, none of them special."""

CALLS: Mapping[str, Callable[..., Any]] = {
    "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "Abs": np.abs,
    "sec": lambda a: 1 / np.cos(a), "csc": lambda a: 1 / np.sin(a), "cot": lambda a: 1 / np.tan(a),
}  # fmt: skip


def walk(expr: Any, points: Mapping[Symbol, Array]) -> Array:
    if expr.is_Symbol:
        return points[expr]
    if not expr.args:
        return np.asarray(float(expr) if expr.is_real else complex(expr))
    parts = [walk(arg, points) for arg in expr.args]
    if expr.is_Add:
        return np.asarray(sum(parts))
    if expr.is_Mul:
        return np.asarray(np.prod(np.broadcast_arrays(*parts), axis=0))
    if expr.is_Pow:
        return np.asarray(parts[0] ** parts[1])
    return np.asarray(CALLS[expr.func.__name__](*parts))


def walk_quietly(expr: Any, points: Mapping[Symbol, Array]) -> Array:
    """The complex values on grids of equal length, without NumPy's warnings; nan where none."""
    with np.errstate(all="ignore"):
        found = walk(expr, points)
    return np.broadcast_to(found, next(iter(points.values())).shape)


def values(expr: Any, variable: Symbol, points: Any) -> Array:
    """The complex values of a function of one variable.

    Raises KeyError for a function that is not elementary.
    """
    return walk_quietly(expr, {variable: np.asarray(points, dtype=np.complex128)})


def floats(expr: Any, variable: Symbol, points: Any) -> NDArray[np.float64]:
    """The values that NumPy finds in real arithmetic: nan where any step leaves the reals."""
    found = walk_quietly(expr, {variable: np.asarray(points, dtype=np.float64)})
    return np.where(found.imag == 0, found.real, np.nan)


def real_points(found: Array) -> NDArray[np.bool_]:
    """Which of the values are real, finite and of moderate size."""
    with np.errstate(all="ignore"):
        good = np.isfinite(found) & (np.abs(found.imag) < 1e-9) & (np.abs(found) < 1e9)
    return np.asarray(good)


def singular(expr: Any) -> list[Any]:
    """The parts whose zeros are poles or branch points: denominators, arguments of logarithms.

    For tan it is the cosine of its argument.
    """
    found = [p.base for p in expr.atoms(sympy.Pow) if p.exp.is_negative]
    found += [part.args[0] for part in expr.atoms(sympy.log)]
    found += [sympy.cos(part.args[0]) for part in expr.atoms(sympy.tan)]
    factors = [factor for part in found for factor in sympy.Mul.make_args(part)]
    return [factor.base if factor.is_Pow else factor for factor in factors if factor.free_symbols]


def is_real(expr: Any, variable: Symbol, low: float, high: float, most: float = 1e6) -> bool:
    """Whether it is real, free of poles and below `most` in size, judged on a fine grid."""
    points = np.linspace(low, high, 401)
    found = floats(expr, variable, points)
    if not np.isfinite(found).all():
        return False
    parts = [floats(part, variable, points) for part in singular(expr)]
    # A zero that is touched, not crossed, shows as a value far below the others.
    crossed = any(
        (np.sign(part) != np.sign(part[0])).any() or np.abs(part).min() < 1e-3 * np.abs(part).max()
        for part in parts
    )
    return bool(np.abs(found).max() < most and not crossed)


def is_steady(expr: Any, variable: Symbol, low: float, high: float) -> bool:
    """Whether 401 points follow a real function: no step above a tenth of its whole range.

    Wild oscillations would make sums and differences depend on the last digits of the processor.
    """
    found = floats(expr, variable, np.linspace(low, high, 401))
    return bool(np.abs(np.diff(found)).max() <= 0.1 * np.ptp(found))


def agree(left: Any, right: Any, variable: Symbol, least: int = 3) -> bool:
    """Whether two functions have the same values at points spread over the real line.

    Points where either is not real and finite are left out; at least `least` must remain.
    """
    a, b = values(left, variable, GRID), values(right, variable, GRID)
    good = real_points(a) & real_points(b)
    if good.sum() < least:
        return False
    return bool(np.allclose(a[good], b[good], rtol=1e-7, atol=1e-8))


def reals(expr: Any, variable: Symbol, low: float, high: float) -> NDArray[np.float64]:
    """Its values on 101 points, in real arithmetic."""
    return floats(expr, variable, np.linspace(low, high, 101))
