"""Problems that can be checked from their statement alone: what is asked, as a reference program.

A statement of one of the forms below says which result is right: SymPy's own for the same call. The
call is made in the sandbox, as any code of a stranger, and its result is what candidates are
compared with; an antiderivative is compared by its derivative, without a reference. What matches no
form, or is no expression of known functions, is not judged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

LONGEST = 300
FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "acot", "sinh", "cosh",
    "tanh", "asinh", "acosh", "atanh", "exp", "log", "ln", "sqrt", "cbrt", "Abs", "sign", "gamma",
    "erf", "factorial",
})  # fmt: skip
CONSTANTS = frozenset({"pi", "E", "oo"})
ORDERS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "once": 1, "twice": 2}
_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Load, ast.Constant, ast.Add,
    ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What a statement asks for. `code` leaves the right result in `result`; "" needs none."""

    family: str
    kind: Literal["expression", "antiderivative", "limit"]
    code: str
    given: Mapping[str, str] = field(default_factory=dict)


def recognise(prompt: str) -> Known | None:
    """What the comment lines of a prompt ask for, None where that is not certain."""
    lines = [line.strip() for line in prompt.strip().splitlines()]
    if not lines or not all(line.startswith("#") for line in lines):
        return None
    text = " ".join(line.lstrip("# ") for line in lines)
    if len(text) > LONGEST:
        return None
    for pattern, build in _forms():
        match = pattern.fullmatch(text)
        found = match and build(_Slots({k: v for k, v in match.groupdict().items() if v}))
        if found:
            return found
    return None


class _Slots:
    """What stands in a form's places."""

    def __init__(self, found: Mapping[str, str]) -> None:
        self.found = found

    @property
    def f(self) -> str | None:
        return read(self.found["f"])

    def at(self, name: str) -> str | None:
        words = {"infinity": "oo", "-infinity": "-oo"}
        return read(words.get(self.found[name], self.found[name]))

    def variable(self, f: str) -> str | None:
        """The one that is named, or the only one that there is."""
        named, free = self.found.get("x"), names(f)
        if named:
            return named if free <= {named} or "partial" in self.found else None
        return next(iter(free)) if len(free) == 1 else None


def read(text: str) -> str | None:
    """An expression of known functions as Python, None where it is anything else."""
    text = text.strip().replace("^", "**")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            return None
        if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
            return None
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords
        ):
            return None
        if isinstance(node, ast.Name) and not (
            node.id in FUNCTIONS | CONSTANTS or (len(node.id) == 1 and node.id not in "eiIE")
        ):
            return None
    return text


def names(text: str) -> set[str]:
    """The variables of an expression that `read` has let through."""
    found = {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}
    return found - FUNCTIONS - CONSTANTS


def _program(call: str, *texts: str) -> str:
    used = sorted(set().union(*map(names, texts)))
    declared = [f"{name} = symbols({name!r})" for name in used]
    return "\n".join(["from sympy import *", *declared, f"result = {call}", ""])


def _derivative(slots: _Slots) -> Known | None:
    f = slots.f
    x = f and slots.variable(f)
    if not f or not x:
        return None
    order = ORDERS[slots.found.get("order", "first").lower()]
    call = f"diff({f}, {x}, {order})"
    return Known("derivative", "expression", _program(call, f, x), {"function": f})


def _antiderivative(slots: _Slots) -> Known | None:
    f = slots.f
    x = f and slots.variable(f)
    if not f or not x:
        return None
    return Known("antiderivative", "antiderivative", "", {"integrand": f, "variable": x})


def _definite(slots: _Slots) -> Known | None:
    f, low, high = slots.f, slots.at("a"), slots.at("b")
    x = f and slots.variable(f)
    if not (f and low and high and x):
        return None
    call = f"integrate({f}, ({x}, {low}, {high}))"
    return Known("definite integral", "expression", _program(call, f, low, high, x))


def _limit(slots: _Slots) -> Known | None:
    f, point = slots.f, slots.at("a")
    x = f and slots.variable(f)
    if not (f and point and x):
        return None
    side = {"left": "-", "right": "+"}.get(slots.found.get("side", ""))
    direction = f", {side!r}" if side else "" if "oo" in point else ", '+-'"
    code = _program(f"limit({f}, {x}, {point}{direction})", f, point, x)
    return Known("limit", "limit", code, {"function": f, "variable": x, "point": point})


@cache
def _forms() -> list[tuple[re.Pattern[str], Callable[[_Slots], Known | None]]]:
    """Each form with what it means; the first that matches and can be read counts."""
    find = r"(?:(?:find|compute|determine|calculate|evaluate|give|take|what is)(?: the| an)? )?"
    f = r"(?:the function )?(?:[a-z]\([a-z]\) = |y = )?(?P<f>.+?)"
    by = r"(?: (?:with respect to|in|by) (?P<x>[a-z]))"
    dx = r"(?: (?:d|with respect to |in |by )(?P<x>[a-z]))?"
    order, times = r"(?:(?P<order>first|second|third|fourth) )?", r"(?: (?P<order>once|twice))?"
    interval = r"(?: from (?:[a-z] = )?(?P<a>\S+) to (?:[a-z] = )?(?P<b>\S+?))"
    point = r"(?: as (?P<x>[a-z]) (?:approaches|goes to|tends to|->) (?P<a>\S+?))"
    forms = {
        rf"(?:differentiate|derive) {f}{times}{by}?": _derivative,
        rf"{find}{order}derivative of {f}{by}?": _derivative,
        rf"{find}(?P<partial>partial) derivative of {f}{by}": _derivative,
        rf"{find}d/d(?P<x>[a-z]) of {f}": _derivative,
        rf"integrate {f}{interval}": _definite,
        rf"{find}(?:definite )?integral of {f}{interval}": _definite,
        rf"integrate {f}{by}?": _antiderivative,
        rf"{find}(?:indefinite integral|integral|antiderivative|primitive) of {f}{dx}":
            _antiderivative,
        rf"{find}limit of {f}{point}(?: from the (?P<side>left|right))?": _limit,
    }  # fmt: skip
    return [(re.compile(rf"(?:please )?{form}[.?!]?", re.IGNORECASE), build)
            for form, build in forms.items()]  # fmt: skip
