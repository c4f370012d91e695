"""From the tree of an answer to a SymPy expression, bounded at every step.

SymPy evaluates while it builds, and `2**10**10` or a huge factorial would never end; so sizes are
looked at before each node is built. Symbols are matched by name: assumptions are dropped.
"""

from __future__ import annotations

import math
import re
from typing import Any

import sympy
from sympy import Float, Integer, Rational, S, Symbol

from calcgen_ray.judge.verdict.finding import NotAnswerError, UnreadableError
from calcgen_ray.judge.verdict.vocabulary import (
    COMBINATORIAL,
    CONSTANTS,
    FUNCTIONS,
    LOGIC,
    RELATIONS,
    UNEVALUATED,
)

NODES = 2000
DEPTH = 100
DIGITS = 1000  # of one integer
ALL_DIGITS = 20_000  # of all integers together
POWER_DIGITS = 4000  # of an integer raised to an integer
EXPONENT = 10_000
COMBINATORIAL_MOST = 200
FLOAT_EXPONENT = 20_000  # of two
REFUSALS = (TypeError, ValueError, AttributeError, ArithmeticError, NotImplementedError)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,30}\Z")
INTEGER = re.compile(r"-?[0-9]{1,1000}\Z")
NUMBER_TEXT = re.compile(r"\s*[-+]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][-+]?[0-9]{1,3})?\s*\Z")


def expression(tree: Any, *, evaluate: bool = True) -> Any:
    """The SymPy expression of a tree.

    Args:
        evaluate: False keeps sums, products and powers as they stand, for a look at their form.

    Raises:
        NotAnswerError: it is no expression, or one with nan or an unevaluated part in it.
        UnreadableError: over a bound, or with a class that is not in the vocabulary.
    """
    built = Builder(evaluate).build(tree, 0)
    if not isinstance(built, sympy.Expr):
        raise NotAnswerError(f"a {type(built).__name__} is no expression")
    if built.has(S.NaN):
        raise NotAnswerError("nan is no answer")
    return built


class Builder:
    """Builds one tree, with what is left of its bounds."""

    def __init__(self, evaluate: bool = True) -> None:
        self.evaluate = evaluate
        self.nodes = NODES
        self.digits = ALL_DIGITS

    def build(self, node: Any, depth: int) -> Any:
        self.nodes -= 1
        if self.nodes < 0 or depth > DEPTH:
            raise UnreadableError("the answer is too large")
        if isinstance(node, dict):
            return self.python(node)
        if not (isinstance(node, list) and node and isinstance(node[0], str)):
            raise UnreadableError("the answer is no tree")
        name, arguments = node[0], node[1:]
        if name in ("Integer", "Rational", "Float", "Symbol"):
            return self.atom(name, arguments)
        if name in UNEVALUATED:
            raise NotAnswerError(f"an unevaluated {name} is no answer")
        if name in CONSTANTS and not arguments:
            return CONSTANTS[name]
        if name == "Apply":
            raise NotAnswerError(f"an unknown function {str(arguments[:1])[:40]} is no answer")
        parts = [self.build(one, depth + 1) for one in arguments]
        try:
            return self.compound(name, parts)
        except REFUSALS as error:
            raise UnreadableError(f"SymPy refuses {name[:40]}: {error}") from error

    def python(self, node: dict[str, Any]) -> Any:
        match node:
            case {"int": str(text)}:
                return self.integer(text)
            case {"float": str(text)}:
                return real(text)
            case {"complex": [str(re_text), str(im_text)]}:
                return real(re_text) + S.ImaginaryUnit * real(im_text)
            case {"str": str(text)} if NUMBER_TEXT.match(text):
                return real(text.strip())
            case {"array": [value], "shape": list()}:
                return real(str(value))
            case {"other": "too large"}:
                raise UnreadableError("the answer is too large")
            case _:
                raise NotAnswerError(f"{kind_of(node)} is no expression")

    def integer(self, text: Any) -> Any:
        if not (isinstance(text, str) and INTEGER.match(text)):
            raise UnreadableError("an integer is too long")
        self.digits -= len(text)
        if self.digits < 0:
            raise UnreadableError("the integers are too long")
        return Integer(int(text))

    def atom(self, name: str, arguments: list[Any]) -> Any:
        if name == "Symbol":
            if len(arguments) != 1 or not NAME.match(str(arguments[0])):
                raise UnreadableError(f"a symbol's name is not allowed: {str(arguments)[:40]}")
            return Symbol(arguments[0])
        if len(arguments) != {"Integer": 1, "Rational": 2, "Float": 2}[name]:
            raise UnreadableError(f"{name} with {len(arguments)} parts")
        numbers = [self.integer(one) for one in arguments]
        if name == "Integer":
            return numbers[0]
        if name == "Rational":
            if not numbers[1]:
                raise NotAnswerError("a division by zero is no answer")
            return Rational(*numbers)
        if abs(numbers[1]) > FLOAT_EXPONENT:
            raise UnreadableError("a float's exponent is too large")
        exact = Rational(numbers[0]) * Rational(2) ** numbers[1]
        return Float(exact, max(15, len(arguments[0])))

    def compound(self, name: str, arguments: list[Any]) -> Any:
        if name == "ExprCondPair" and len(arguments) == 2:
            return tuple(arguments)
        if name == "Piecewise":
            return piecewise(arguments)
        if name in RELATIONS and len(arguments) == 2:
            return RELATIONS[name](*expressions(arguments), evaluate=False)
        if name in LOGIC:
            return LOGIC[name](*arguments, evaluate=False)
        return self.algebra(name, expressions(arguments))

    def algebra(self, name: str, arguments: list[Any]) -> Any:
        if name == "Pow" and len(arguments) == 2:
            check_power(*arguments)
            return sympy.Pow(*arguments, evaluate=self.evaluate)
        if name in ("Add", "Mul"):
            return getattr(sympy, name)(*arguments, evaluate=self.evaluate)
        if name in ("Max", "Min") and len(arguments) <= 20:
            return getattr(sympy, name)(*arguments, evaluate=False)
        if name in FUNCTIONS:
            function, arity = FUNCTIONS[name]
            if name == "Heaviside":
                arguments = arguments[:1]
            if name == "LambertW" and arguments[1:] == [S.Zero]:
                arguments = arguments[:1]
            if name == "zeta" and len(arguments) == 1:
                arguments = [*arguments, S.One]  # Riemann's is Hurwitz's at 1
            if len(arguments) == arity:
                check_function(name, arguments)
                return function(*arguments)
        raise UnreadableError(f"{name[:40]} with {len(arguments)} parts is not understood")


def real(text: str) -> Any:
    """A float by its text, infinities among them."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise UnreadableError("a float is no number") from None
    if math.isnan(value):
        return S.NaN
    if math.isinf(value):
        return S.Infinity if value > 0 else S.NegativeInfinity
    return Float(text, 15)


def kind_of(tree: Any) -> str:
    """A word for what a tree is of, to be told to people."""
    if isinstance(tree, dict) and tree:
        key = next(iter(tree))
        return f"a {str(tree[key])[:40]}" if key == "other" else f"a {str(key)[:40]}"
    return f"a {str(tree[0])[:40]}" if isinstance(tree, list) and tree else "nothing"


def expressions(parts: list[Any]) -> list[Any]:
    if not all(isinstance(part, sympy.Expr) for part in parts):
        raise UnreadableError("a condition stands where an expression should")
    return parts


def piecewise(pairs: list[Any]) -> Any:
    if not pairs or not all(isinstance(pair, tuple) for pair in pairs):
        raise UnreadableError("a Piecewise of no pairs")
    return sympy.Piecewise(*pairs, evaluate=False)


def digits_of(number: Any) -> float:
    """Decimal digits of the larger side of a fraction."""
    return int(max(abs(number.p), number.q)).bit_length() * math.log10(2)


def check_power(base: Any, power: Any) -> None:
    """Refuses powers that SymPy would write out at length."""
    if not power.is_Number:
        return
    if power.is_infinite or abs(power) > EXPONENT:
        raise UnreadableError("an exponent is too large")
    parts = base.args if base.is_Mul else (base,)
    digits = sum(digits_of(part) for part in parts if part.is_Rational)
    if digits * abs(float(power)) > POWER_DIGITS:
        raise UnreadableError("a power is too large")


def check_function(name: str, arguments: list[Any]) -> None:
    for argument in arguments:
        if not argument.is_Number or argument.is_infinite:
            continue
        if name in COMBINATORIAL and abs(argument) > COMBINATORIAL_MOST:
            raise UnreadableError(f"{name} of a number so large")
