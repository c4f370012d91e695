"""Whether two quantities agree at seeded points, to far more digits than a float has.

A quantity is anything that has a value at a point to a number of digits; so functions, derivatives
and residuals of equations are compared by the same rules:

- a point counts where both sides are finite and real, nan and poles are no evidence;
- where they disagree, more digits decide: rounding goes away, a difference stays;
- one disagreement at a good point is DIFFERENT, six agreements and no disagreement are EQUAL;
- where the reals do not give six points, complex ones do, if both sides are analytic; there a
  disagreement may be a matter of branches, and is DIFFERENT only if it is everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from calcgen_ray.judge.verdict import points
from calcgen_ray.judge.verdict.finding import Finding, different, equal, unknown
from calcgen_ray.judge.verdict.numeric import CONTEXT, is_real
from calcgen_ray.judge.verdict.points import Point

DIGITS = 30
MORE_DIGITS = 90
TOLERANCE = 1e-18
CONSTANT_TOLERANCE = 1e-60  # with MORE_DIGITS
ROUNDING = 1e-50
LOOSE = 1e-8
LOOSE_FLOOR = 1e-2
ENOUGH = 6

Quantity = Callable[[Point, int], Any]


@dataclass(frozen=True, slots=True)
class Sides:
    """Two quantities in some variables.

    Args:
        loose: floats stand in them, so that eight digits must do.
        analytic: complex points mean something.
        scale: the size that a difference is measured by; the larger side if not given.
    """

    left: Quantity
    right: Quantity
    names: Sequence[str]
    loose: bool = False
    analytic: bool = True
    scale: Quantity | None = None


def agree(sides: Sides) -> Finding:
    """EQUAL, DIFFERENT or UNKNOWN by values alone; quantities without variables by one value."""
    if not sides.names:
        return constants(sides)
    good = apart = 0
    for batch in (points.near(sides.names), points.far(sides.names)):
        for point in batch:
            match at(sides, point):
                case "apart":
                    apart += 1
                case "good":
                    good += 1
                case str() as reason if reason:
                    return different("numeric", reason)
        if good >= ENOUGH:
            return equal("numeric", f"{good} real points")
    if sides.analytic:
        return complex_plane(sides)
    if apart >= ENOUGH and not good:
        return different("numeric", "they are never real at the same points")
    return unknown("numeric", f"only {good} real points")


def at(sides: Sides, point: Point) -> str:
    """ "good", "apart" (one side is real, the other is not), "" (no evidence), or a reason."""
    left, right = sides.left(point, DIGITS), sides.right(point, DIGITS)
    if left is None or right is None:
        return ""
    real = is_real(left), is_real(right)
    if not all(real):
        return "apart" if any(real) else ""
    if near(sides, point, left, right, DIGITS):
        return "good"
    left, right = sides.left(point, MORE_DIGITS), sides.right(point, MORE_DIGITS)
    if left is None or right is None:
        return ""
    if near(sides, point, left, right, MORE_DIGITS):
        return "good"
    return f"at {show(point)}: {short(left)} against {short(right)}"


def complex_plane(sides: Sides) -> Finding:
    good = bad = 0
    reason = ""
    for point in points.complex_ones(sides.names):
        left, right = sides.left(point, MORE_DIGITS), sides.right(point, MORE_DIGITS)
        if left is None or right is None:
            continue
        if near(sides, point, left, right, MORE_DIGITS):
            good += 1
        else:
            bad += 1
            reason = f"at {show(point)}: {short(left)} against {short(right)}"
    if good >= ENOUGH and not bad:
        return equal("numeric", f"{good} complex points")
    if bad >= ENOUGH and not good:
        return different("numeric", reason)
    return unknown("numeric", "too few points with values")


def constants(sides: Sides) -> Finding:
    """Numbers agree when they do to sixty digits, or to eight where a float is among them."""
    left, right = settled(sides.left), settled(sides.right)
    if left is None or right is None:
        return unknown("numeric", "no finite value")
    size = max(abs(left), abs(right)) if sides.scale is None else sides.scale({}, MORE_DIGITS)
    if sides.loose:
        good = abs(left - right) <= LOOSE * size + LOOSE**2
    else:
        good = abs(left - right) <= CONSTANT_TOLERANCE * size
    if good:
        return equal("numeric", "the same number")
    return different("numeric", f"{short(left)} against {short(right)}")


def settled(quantity: Quantity) -> Any:
    """A constant's value; zero where it is small and changes with the digits, being rounding."""
    value = quantity({}, MORE_DIGITS)
    if value is None or abs(value) > ROUNDING:
        return value
    better = quantity({}, 3 * MORE_DIGITS)
    if better is None or abs(better - value) > TOLERANCE * abs(value):
        return CONTEXT.zero
    return value


def near(sides: Sides, point: Point, left: Any, right: Any, digits: int) -> bool:
    size = max(abs(left), abs(right))
    if sides.scale is not None:
        size = sides.scale(point, digits)
        if size is None:
            return False
    if sides.loose:
        return bool(abs(left - right) <= LOOSE * (size + LOOSE_FLOOR))
    return bool(abs(left - right) <= TOLERANCE * size)


def show(point: Iterable[str] | Point) -> str:
    assert isinstance(point, dict)
    return ", ".join(f"{name} = {short(value)}" for name, value in point.items())


def short(value: Any) -> str:
    return str(CONTEXT.nstr(value, 8))
