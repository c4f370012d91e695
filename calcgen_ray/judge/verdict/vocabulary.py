"""The SymPy classes that an answer may be made of. Whatever is not here is not built."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sympy
from sympy.core.relational import (
    Equality,
    GreaterThan,
    LessThan,
    StrictGreaterThan,
    StrictLessThan,
    Unequality,
)

CONSTANTS: Mapping[str, Any] = MappingProxyType(
    {
        "Pi": sympy.pi, "Exp1": sympy.E, "ImaginaryUnit": sympy.I,
        "Infinity": sympy.oo, "NegativeInfinity": -sympy.oo, "ComplexInfinity": sympy.zoo,
        "NaN": sympy.nan, "EulerGamma": sympy.EulerGamma, "Catalan": sympy.Catalan,
        "GoldenRatio": sympy.GoldenRatio,
        "BooleanTrue": sympy.true, "BooleanFalse": sympy.false,
    }
)  # fmt: skip
ONE = (
    "exp", "log", "sin", "cos", "tan", "cot", "sec", "csc",
    "asin", "acos", "atan", "acot", "asec", "acsc",
    "sinh", "cosh", "tanh", "coth", "sech", "csch",
    "asinh", "acosh", "atanh", "acoth", "asech", "acsch",
    "Abs", "sign", "re", "im", "conjugate", "arg", "floor", "ceiling", "Heaviside",
    "erf", "erfc", "erfi", "gamma", "loggamma", "factorial", "LambertW",
    "Si", "Ci", "Shi", "Chi", "Ei", "li", "fresnels", "fresnelc",
    "airyai", "airybi", "airyaiprime", "airybiprime",
)  # fmt: skip
TWO = (
    "atan2", "polylog", "expint", "uppergamma", "lowergamma", "binomial", "polygamma", "zeta",
    "beta", "besselj", "bessely", "besseli", "besselk",
)  # fmt: skip
FUNCTIONS: Mapping[str, tuple[Any, int]] = MappingProxyType(
    {name: (getattr(sympy, name), 1) for name in ONE}
    | {name: (getattr(sympy, name), 2) for name in TWO}
)
"""Each function with the number of its arguments."""

COMBINATORIAL = frozenset(
    {"factorial", "gamma", "loggamma", "binomial", "polylog", "expint", "uppergamma", "lowergamma",
     "polygamma", "zeta", "beta"}
)  # fmt: skip
"""SymPy writes these out for integers, with as many terms or digits as the integer is large."""

RELATIONS: Mapping[str, Any] = MappingProxyType(
    {
        "Equality": Equality, "Unequality": Unequality, "StrictLessThan": StrictLessThan,
        "LessThan": LessThan, "StrictGreaterThan": StrictGreaterThan, "GreaterThan": GreaterThan,
    }
)  # fmt: skip
LOGIC: Mapping[str, Any] = MappingProxyType({"And": sympy.And, "Or": sympy.Or, "Not": sympy.Not})
UNEVALUATED = frozenset({"Integral", "Derivative", "Limit", "Sum", "Product", "Subs"})
"""The question itself, handed back."""

NOT_ANALYTIC = frozenset(
    {"Abs", "sign", "re", "im", "conjugate", "arg", "floor", "ceiling", "Heaviside", "Max", "Min",
     "Piecewise", "atan2"}
)  # fmt: skip
