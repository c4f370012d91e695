"""Problems that can be checked from their statement alone: what is asked, as a reference program.

A statement of one of the forms below says which result is right: SymPy's own for the same call. The
call is made in the sandbox, as any code of a stranger, and its result is what candidates are
compared with; an antiderivative is compared by its derivative, without a reference. What matches no
form, or is no expression of known functions, is not judged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

LONGEST = 300
FUNCTIONS = frozenset({
    "sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "sinh", "cosh", "tanh",
    "asinh", "acosh", "atanh", "exp", "log", "ln", "sqrt", "Abs", "sign", "gamma", "erf",
    "factorial",
})  # fmt: skip
"""Without cbrt and acot, of which two readings are usual for negative numbers."""
CONSTANTS = frozenset({"pi", "E", "oo"})
VARIABLES = frozenset("xyztuvsrw")
"""Letters that mean a variable where nothing says so; any other may be a constant."""
NO_LETTERS = frozenset("eiEI")
"""Euler's number and the imaginary unit, or a letter: never certain."""
ORDERS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "once": 1, "twice": 2}
_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Load, ast.Add, ast.Sub, ast.Mult, ast.Div,
    ast.Pow, ast.USub, ast.UAdd,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What a statement asks for. `code` leaves the right result in `result`; "" needs none."""

    family: str
    kind: Literal["expression", "antiderivative", "limit"]
    code: str
    given: Mapping[str, str] = field(default_factory=dict)


def recognise(prompt: str) -> Known | None:
    """What the comment lines of a prompt ask for, None where that is not certain.

    Without a newline at its end the statement may go on in the completion.
    """
    lines = [line.strip() for line in prompt.strip().split("\n")]
    if not prompt.endswith("\n") or not all(line.startswith("#") for line in lines):
        return None
    text = " ".join(line.lstrip("# ") for line in lines).replace("π", "pi")
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
        return read(words.get(self.found[name].lower(), self.found[name]))

    def variable(self, f: str, *places: str) -> str | None:
        """The one that the statement names, or the only one that there is.

        None where it names several, where one of the bounds or points holds it, or where another
        letter is as likely to be meant.
        """
        free = names(f)
        named = {self.found[key] for key in ("x", "declared", "p", "q") if key in self.found}
        named = named or (free if free <= VARIABLES else set())
        if len(named) != 1 or self.found.get("y", self.found.get("g")) in free:
            return None
        [x] = named
        others = {letter.lower() for letter in free - named}
        doubtful = others & VARIABLES and "partial" not in self.found
        if x in NO_LETTERS or doubtful or any(x in names(place) for place in places):
            return None
        return x


def read(text: str) -> str | None:
    """An expression of known functions as Python, None where it is anything else."""
    text = text.strip().replace("^", "**")
    if not (text.isascii() and text.isprintable()) or "#" in text:
        return None
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return text if all(_known(node, called) for node in ast.walk(tree)) else None


def _known(node: ast.AST, called: Sequence[ast.AST]) -> bool:
    """Whether a node is arithmetic, a number, a letter, a constant, or a call of a function."""
    match node:
        case ast.Constant(value):
            return type(value) in (int, float)
        case ast.Call(func, _, keywords):
            return isinstance(func, ast.Name) and func.id in FUNCTIONS and not keywords
        case ast.Name(name) if any(node is one for one in called):
            return name in FUNCTIONS
        case ast.Name(name):
            return name in CONSTANTS or (len(name) == 1 and name not in NO_LETTERS)
    return isinstance(node, _NODES)


def names(text: str) -> set[str]:
    """The variables of an expression that `read` has let through."""
    found = {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}
    return found - FUNCTIONS - CONSTANTS


def _program(call: str, x: str, *texts: str) -> str:
    used = sorted({x}.union(*map(names, texts)))
    declared = [f"{name} = symbols({name!r})" for name in used]
    return "\n".join(["from sympy import *", *declared, f"result = {call}", ""])


def _real_program(call: str, x: str, *texts: str) -> str:
    """The same with real constants; nan where the result is not surely real, as for powers of
    negative numbers, of which readers take the real one."""
    code = _program(call, x, *texts)
    for name in set().union(*map(names, texts)) - {x}:
        code = code.replace(f"symbols({name!r})", f"symbols({name!r}, real=True)")
    return code + "result = result if result.is_extended_real else nan\n"


def _derivative(slots: _Slots) -> Known | None:
    f = slots.f
    x = f and slots.variable(f)
    if not f or not x:
        return None
    order = ORDERS[slots.found.get("order", "first").lower()]
    call = f"diff({f}, {x}, {order})"
    return Known("derivative", "expression", _program(call, x, f), {"function": f})


def _antiderivative(slots: _Slots) -> Known | None:
    f = slots.f
    x = f and slots.variable(f)
    if not f or not x:
        return None
    return Known("antiderivative", "antiderivative", "", {"integrand": f, "variable": x})


def _definite(slots: _Slots) -> Known | None:
    f, low, high = slots.f, slots.at("a"), slots.at("b")
    x = f and low and high and slots.variable(f, low, high)
    if not (f and low and high and x) or _varied(f, x):
        return None
    code = _real_program(f"integrate({f}, ({x}, {low}, {high}))", x, f, low, high)
    return Known("definite integral", "expression", code)


def _limit(slots: _Slots) -> Known | None:
    f, point = slots.f, slots.at("a")
    x = f and point and slots.variable(f, point)
    if not (f and point and x) or _varied(f, x):
        return None
    side = {"left": "-", "right": "+"}.get(slots.found.get("side", "").lower())
    direction = f", {side!r}" if side else "" if "oo" in point else ", '+-'"
    code = _real_program(f"limit({f}, {x}, {point}{direction})", x, f, point)
    return Known("limit", "limit", code, {"function": f, "variable": x, "point": point})


def _varied(f: str, x: str) -> bool:
    """Whether other letters stand beside the variable: the result depends on their signs."""
    return x in names(f) and names(f) != {x}


@cache
def _forms() -> list[tuple[re.Pattern[str], Callable[[_Slots], Known | None]]]:
    """Each form with what it means; the first that matches and can be read counts."""
    find = r"(?:(?:find|compute|determine|calculate|evaluate|give|take|what is)(?: the| an)? )?"
    f = (r"(?:the function )?(?:(?P<g>[a-z])\((?P<declared>[a-z])\) ?= ?|(?P<y>y) ?= ?)?"
         r"(?P<f>.+?)")  # fmt: skip
    by = r"(?: (?:with respect to|in|by) (?P<x>[a-z]))"
    dx = r"(?: (?:d|with respect to |in |by )(?P<x>[a-z]))?"
    order, times = r"(?:(?P<order>first|second|third|fourth) )?", r"(?: (?P<order>once|twice))?"
    interval = r"(?: from (?:(?P<p>[a-z]) ?= ?)?(?P<a>\S+) to (?:(?P<q>[a-z]) ?= ?)?(?P<b>\S+?))"
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
    flags = re.IGNORECASE | re.ASCII  # else [a-z] has letters that only look so
    return [(re.compile(rf"(?:please )?{form}[.?]?", flags), build)
            for form, build in forms.items()]  # fmt: skip
