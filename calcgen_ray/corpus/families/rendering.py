"""Expressions as text: in words, as exact SymPy source, as NumPy source; and whole scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import sympy
from sympy.printing.str import StrPrinter

SYMPY_NAMES = (
    "symbols", "Function", "Eq", "Rational",
    "diff", "integrate", "limit", "series", "dsolve", "solve", "linsolve",
    "simplify", "expand", "factor", "cancel", "apart", "together",
    "sqrt", "exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "Abs", "pi", "E", "I", "oo",
)  # fmt: skip
SPECIAL: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys((
        "sinh", "cosh", "tanh", "coth", "sech", "csch", "asinh", "acosh", "atanh", "acoth", "asech",
        "acsch", "cot", "sec", "csc", "acot", "asec", "acsc", "sign", "floor", "ceiling",
        "gamma", "loggamma", "digamma", "trigamma", "factorial", "factorial2", "subfactorial",
        "erf", "erfc", "erfi", "erfinv", "erfcinv", "Si", "Ci", "Shi", "Chi", "Ei", "li", "Li",
        "fresnels", "fresnelc", "airyai", "airybi", "airyaiprime", "airybiprime", "Heaviside",
        "DiracDelta", "sinc", "conjugate", "re", "im", "dirichlet_eta", "elliptic_k", "fibonacci",
        "lucas", "catalan",
    ), (1,)),
    **dict.fromkeys((
        "atan2", "polygamma", "beta", "erf2", "lowergamma", "uppergamma", "polylog", "expint",
        "besselj", "bessely", "besseli", "besselk", "hankel1", "hankel2", "jn", "yn", "legendre",
        "chebyshevt", "chebyshevu", "hermite", "laguerre", "binomial", "RisingFactorial",
        "FallingFactorial", "elliptic_f",
    ), (2,)),
    **dict.fromkeys(("zeta", "LambertW", "harmonic", "elliptic_e"), (1, 2)),
    **dict.fromkeys(("Max", "Min"), (2, 2, 3)),
    **dict.fromkeys(("assoc_legendre", "gegenbauer", "assoc_laguerre", "lerchphi"), (3,)),
}  # fmt: skip
"""SymPy's functions beyond the families' own, with the numbers of arguments that they take."""
IMPORTED = (*SYMPY_NAMES, *SPECIAL)
NAME = re.compile(rf"(?<![\w.'])({'|'.join(IMPORTED)})\b(?!=)")
NUMPY = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "E": "e", "Abs": "abs"}
STYLES = ("names", "module")
NOTATIONS = ("python", "maths")


class SourcePrinter(StrPrinter):  # type: ignore[misc]
    """SymPy text in which no division of two Python integers is left to become a float."""

    def _print_Rational(self, expr: Any) -> str:
        return f"{expr.p}" if expr.q == 1 else f"Rational({expr.p}, {expr.q})"

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:
        base, power = expr.args
        if (power.is_Rational and power.q > 2) or (
            power.is_Rational and power.q == 2 and power.p > 1
        ):
            inner = self.parenthesize(base, sympy.printing.precedence.PRECEDENCE["Pow"])
            return f"{inner}**{self._print_Rational(power)}"
        return str(super()._print_Pow(expr, rational=rational))


def text(expr: Any) -> str:
    """One-line SymPy text that sympify reads back."""
    return str(sympy.sstr(expr))


def words(expr: Any, notation: str = "python") -> str:
    """An expression as it stands in a statement: x**2*log(x), or x^2*ln(x) in maths writing."""
    plain = text(expr)
    if notation == "python":
        return plain
    return re.sub(r"\blog\(", "ln(", plain.replace("**", "^")).replace("oo", "infinity")


def source(expr: Any) -> str:
    """Exact SymPy source with bare names: sqrt(x) + Rational(1, 2)."""
    return str(SourcePrinter().doprint(expr))


def numpy_source(expr: Any) -> str:
    """NumPy source with the prefix np: np.sqrt(x) + 1/2."""

    def prefix(match: re.Match[str]) -> str:
        return f"np.{NUMPY.get(match[1], match[1])}"

    return NAME.sub(prefix, text(expr))


def declare(symbols: Iterable[Any]) -> str:
    """x = symbols('x'), or x, y = symbols('x y')."""
    names = [str(symbol) for symbol in symbols]
    return f"{', '.join(names)} = symbols('{' '.join(names)}')"


def script(lines: Sequence[str], style: str) -> str:
    """A runnable script from lines written with bare SymPy names.

    Style "names" imports just the names that are used, "module" puts `sp.` before each.
    """
    body = "\n".join([*lines, "print(result)"]) + "\n"
    if style == "module":
        return "import sympy as sp\n\n" + NAME.sub(r"sp.\1", body)
    used = dict.fromkeys(NAME.findall(body))
    return f"from sympy import {', '.join(used)}\n\n{body}"


def solution(rng: Random, symbols: Iterable[Any], expr: Any, calls: Sequence[str]) -> str:
    """A script that applies one of the calls, such as "diff({f}, x)", to an expression.

    The expression stands inline or, as often, in a variable of its own; a method needs the latter.
    """
    call = rng.choice(calls)
    lines = [declare(symbols)]
    inline = source(expr)
    if call.startswith("{f}.") or call.count("{f}") > 1 or rng.random() < 0.5:
        lines.append(f"f = {inline}")
        inline = "f"
    return script([*lines, f"result = {call.format(f=inline)}"], rng.choice(STYLES))
