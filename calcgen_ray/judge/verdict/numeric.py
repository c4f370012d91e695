"""Values of an expression by mpmath, to as many digits as are asked for.

The expression is turned once into a list of steps, each shared subexpression being one step. What
has no finite value at a point (a pole, an overflow, nan) is None there, and so is all that is made
of it, branches of a Piecewise that are not taken apart.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mpmath
import sympy
from sympy import S

from calcgen_ray.judge.verdict.finding import UnreadableError
from calcgen_ray.judge.verdict.vocabulary import NOT_ANALYTIC

CONTEXT = mpmath.MPContext()
EXP_MOST = 20_000.0
SIZE_MOST = 1e40  # of an argument of a wave, and of a special function
POWER_BITS = 100_000.0

Value = Any
"""An mpf or mpc of CONTEXT, a bool inside conditions, or None."""

Step = tuple[Callable[..., Value], tuple[int, ...]]


def tame(function: Callable[..., Value]) -> Callable[..., Value]:
    """An exponential where its value has a bounded exponent and its phase is known."""

    def bounded(z: Value) -> Value:
        fits = abs(CONTEXT.re(z)) < EXP_MOST and abs(CONTEXT.im(z)) < SIZE_MOST
        return function(z) if fits else None

    return bounded


def small(function: Callable[..., Value]) -> Callable[..., Value]:
    """The function where its arguments are of a size it can be computed at."""

    def bounded(*values: Value) -> Value:
        return function(*values) if all(abs(v) < SIZE_MOST for v in values) else None

    return bounded


def power(base: Value, exponent: Value) -> Value:
    if base == 0:
        return base * 0 if CONTEXT.re(exponent) > 0 else (CONTEXT.one if exponent == 0 else None)
    if abs(exponent) * (1 + abs(CONTEXT.mag(base))) > POWER_BITS:
        return None
    return CONTEXT.power(base, exponent)


def sign(z: Value) -> Value:
    return CONTEXT.sign(z)


def real_only(function: Callable[..., Value]) -> Callable[..., Value]:
    """The function where all arguments are real, None elsewhere."""

    def bounded(*values: Value) -> Value:
        if any(isinstance(v, CONTEXT.mpc) and v.imag for v in values):
            return None
        return function(*[CONTEXT.re(v) for v in values])

    return bounded


def step_function(x: Value) -> Value:
    return CONTEXT.mpf(1 if x > 0 else 0) if x else None


def add(*values: Value) -> Value:
    return sum(values[1:], values[0])


def multiply(*values: Value) -> Value:
    product = values[0]
    for value in values[1:]:
        product = product * value
    return product


def same_name(*names: str) -> dict[str, Callable[..., Value]]:
    return {name: small(getattr(CONTEXT, name.lower())) for name in names}


CALLS: Mapping[str, Callable[..., Value]] = {
    **same_name(
        "sin", "cos", "tan", "cot", "sec", "csc",
        "erf", "erfc", "erfi", "gamma", "loggamma", "factorial", "LambertW",
        "Si", "Ci", "Shi", "Chi", "Ei", "li", "fresnels", "fresnelc", "polylog", "expint",
        "binomial", "zeta", "beta", "besselj", "bessely", "besseli", "besselk", "airyai", "airybi",
    ),
    **{
        name: getattr(CONTEXT, name)
        for name in (
            "asin", "acos", "atan", "acot", "asec", "acsc",
            "asinh", "acosh", "atanh", "acoth", "asech", "acsch",
        )
    },
    "log": CONTEXT.log,
    **{
        name: tame(getattr(CONTEXT, name))
        for name in ("exp", "sinh", "cosh", "tanh", "coth", "sech", "csch")
    },
    "polygamma": small(CONTEXT.psi),
    "airyaiprime": small(lambda z: CONTEXT.airyai(z, derivative=1)),
    "airybiprime": small(lambda z: CONTEXT.airybi(z, derivative=1)),
    "uppergamma": small(lambda a, z: CONTEXT.gammainc(a, z)),
    "lowergamma": small(lambda a, z: CONTEXT.gammainc(a, 0, z)),
    "Abs": abs,
    "sign": sign,
    "re": CONTEXT.re,
    "im": CONTEXT.im,
    "conjugate": CONTEXT.conj,
    "arg": CONTEXT.arg,
    "floor": real_only(CONTEXT.floor),
    "ceiling": real_only(CONTEXT.ceil),
    "Heaviside": real_only(lambda x, *_: step_function(x)),
    "Max": real_only(max),
    "Min": real_only(min),
    "atan2": real_only(CONTEXT.atan2),
    "Equality": operator.eq,
    "Unequality": operator.ne,
    "StrictLessThan": real_only(operator.lt),
    "LessThan": real_only(operator.le),
    "StrictGreaterThan": real_only(operator.gt),
    "GreaterThan": real_only(operator.ge),
    "And": lambda *values: all(values),
    "Or": lambda *values: any(values),
    "Not": operator.not_,
}  # fmt: skip
CONSTANTS: Mapping[Any, Callable[[], Value]] = {
    S.Pi: lambda: +CONTEXT.pi,
    S.Exp1: lambda: +CONTEXT.e,
    S.ImaginaryUnit: lambda: CONTEXT.j,
    S.EulerGamma: lambda: +CONTEXT.euler,
    S.Catalan: lambda: +CONTEXT.catalan,
    S.GoldenRatio: lambda: +CONTEXT.phi,
    S.true: lambda: True,
    S.false: lambda: False,
}


def choose(*values: Value) -> Value:
    """A Piecewise: values and conditions in turn. None where a condition before it is."""
    for value, condition in zip(values[::2], values[1::2], strict=True):
        if condition is None:
            return None
        if condition:
            return value
    return None


class Program:
    """An expression ready to be evaluated.

    Raises:
        UnreadableError: a part of it has no numeric form.
    """

    def __init__(self, expr: Any) -> None:
        self.names: list[str] = []
        self.analytic = True
        self._numbers: dict[int, Any] = {}
        self._symbols: dict[int, str] = {}
        self._steps: list[tuple[int, Callable[..., Value], tuple[int, ...]]] = []
        self._places: dict[Any, int] = {}
        self._last = self._place(expr)
        self._known: dict[int, dict[int, Value]] = {}

    def _place(self, expr: Any) -> int:
        if expr in self._places:
            return self._places[expr]
        place = self._new(expr)
        self._places[expr] = place
        return place

    def _new(self, expr: Any) -> int:
        if expr.is_Symbol:
            self.names.append(expr.name)
            return self._leaf(self._symbols, expr.name)
        if (expr.is_Number and expr.is_finite) or expr in CONSTANTS:
            return self._leaf(self._numbers, expr)
        name = expr.func.__name__
        if expr.is_Pow and expr.exp.is_Integer:
            n = int(expr.exp)
            return self._step(lambda z: whole_power(z, n), [expr.base])
        if expr.is_Pow and abs(expr.exp) == S.Half:
            root = CONTEXT.sqrt if expr.exp == S.Half else lambda z: 1 / CONTEXT.sqrt(z)
            return self._step(root, [expr.base])
        if name == "Piecewise":
            self.analytic = False
            return self._step(choose, [part for pair in expr.args for part in pair.args])
        call = {"Add": add, "Mul": multiply, "Pow": power}.get(name) or CALLS.get(name)
        if call is None:
            raise UnreadableError(f"{name[:40]} has no numeric form")
        self.analytic = self.analytic and name not in NOT_ANALYTIC
        return self._step(call, expr.args)

    def _leaf(self, leaves: dict[int, Any], value: Any) -> int:
        place = len(self._numbers) + len(self._symbols) + len(self._steps)
        leaves[place] = value
        return place

    def _step(self, call: Callable[..., Value], parts: Sequence[Any]) -> int:
        places = tuple(self._place(part) for part in parts)
        place = len(self._numbers) + len(self._symbols) + len(self._steps)
        self._steps.append((place, call, places))
        return place

    def _constants(self, digits: int) -> dict[int, Value]:
        if digits not in self._known:
            self._known[digits] = {
                place: number_value(number) for place, number in self._numbers.items()
            }
        return self._known[digits]

    def __call__(self, point: Mapping[str, Value], digits: int) -> Value:
        """Its value at a point, or None. The context's precision stays at `digits`."""
        CONTEXT.dps = digits
        values: dict[int, Value] = dict(self._constants(digits))
        for place, name in self._symbols.items():
            values[place] = point[name]
        for place, call, places in self._steps:
            values[place] = apply(call, [values[p] for p in places])
        return finite(values[self._last])


def apply(call: Callable[..., Value], arguments: list[Value]) -> Value:
    if call is not choose and None in arguments:
        return None
    try:
        return call(*arguments)
    except (ArithmeticError, ValueError, TypeError, NotImplementedError):
        return None
    except CONTEXT.NoConvergence:
        return None


def whole_power(base: Value, exponent: int) -> Value:
    if base and abs(exponent) * (1 + abs(CONTEXT.mag(base))) > POWER_BITS:
        return None
    return base**exponent


def number_value(number: Any) -> Value:
    if number in CONSTANTS:
        return CONSTANTS[number]()
    if number.is_Rational:
        return CONTEXT.mpf(number.p) / number.q
    return CONTEXT.make_mpf(number._mpf_)


def finite(value: Value) -> Value:
    if value is None or isinstance(value, bool):
        return None
    return value if CONTEXT.isfinite(value) else None


def is_real(value: Value, tolerance: float = 1e-20) -> bool:
    """Whether its imaginary part is no more than rounding."""
    return not isinstance(value, CONTEXT.mpc) or abs(value.imag) <= tolerance * abs(value)


def symbols_of(*expressions: Any) -> list[str]:
    """The names of all free symbols, sorted."""
    return sorted({s.name for e in expressions for s in sympy.sympify(e).free_symbols})
