"""Expressions in source code as trees, by an allow-list over the syntax tree; nothing is executed.

A name stands for the expression it was assigned once, if that can be read, and else for a symbol
of that name: `x = symbols('x')` and `x = np.linspace(0, 1)` both leave x a symbol.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from calcgen_ray.judge.walk import DEPTH

SAME = (
    "sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "sinh", "cosh", "tanh",
    "asinh", "acosh", "atanh", "exp", "log", "Abs",
)  # fmt: skip
CALLS: Mapping[str, str] = MappingProxyType(
    {name: name for name in SAME}
    | {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "abs": "Abs", "ln": "log"}
)
CONSTANTS: Mapping[str, list[Any]] = MappingProxyType(
    {"pi": ["Pi"], "E": ["Exp1"], "e": ["Exp1"], "oo": ["Infinity"]}
)
MODULES = frozenset({"sp", "sym", "sympy", "np", "numpy", "math"})
MINUS_ONE = ["Integer", "-1"]


class UnreadError(Exception):
    """Not an expression of the allow-list."""


class Reader:
    """Reads expressions of one program.

    Raises:
        SyntaxError: the program does not parse.
    """

    def __init__(self, code: str) -> None:
        self.module = ast.parse(code)
        self.assigned = dict(assignments(self.module))

    def tree(self, node: ast.AST, depth: int = 0) -> Any:
        """The tree of an expression, as `walk.encode` would make it.

        Raises:
            UnreadError: it holds something that is not in the allow-list.
        """
        if depth > DEPTH:
            raise UnreadError
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return {"float": repr(number)} if isinstance(number, float) else whole(number)
            case ast.Name(id=name):
                return self.name(name, depth)
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (
                module in MODULES and name in CONSTANTS
            ):
                return CONSTANTS[name]
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return ["Mul", MINUS_ONE, self.tree(inner, depth + 1)]
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self.tree(inner, depth + 1)
            case ast.BinOp(left=left, op=op, right=right):
                return binary(op, self.tree(left, depth + 1), self.tree(right, depth + 1))
            case ast.Call(func=function, args=arguments, keywords=[]):
                parts = [self.tree(one, depth + 1) for one in arguments]
                return call(called(function), parts)
            case _:
                raise UnreadError

    def name(self, name: str, depth: int) -> Any:
        if name in self.assigned:
            try:
                return self.tree(self.assigned[name], depth + 1)
            except UnreadError:
                return ["Symbol", name]
        return CONSTANTS.get(name, ["Symbol", name])

    def inherits(self, node: ast.AST) -> bool:
        """Whether names in it stand for expressions written elsewhere."""
        return any(
            isinstance(part, ast.Name) and self.name(part.id, 0) != ["Symbol", part.id]
            for part in ast.walk(node)
        )


def assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names that are bound once in the whole program, by `name = expression`."""
    bound = [
        node.id
        for node in ast.walk(module)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    for node in ast.walk(module):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if bound.count(name) == 1:
                if not any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(value)):
                    yield name, value


def whole(number: int) -> list[Any]:
    return ["Integer", str(number)] if number.bit_length() < 3000 else ["Integer", "9" * 2000]


def called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=module), attr=name) if module in MODULES:
            return name
        case _:
            raise UnreadError


def call(name: str, parts: list[Any]) -> list[Any]:
    if name == "sqrt" and len(parts) == 1:
        return ["Pow", parts[0], ["Rational", "1", "2"]]
    if name == "Rational" and len(parts) == 2:
        return ["Mul", parts[0], ["Pow", parts[1], MINUS_ONE]]
    if name in ("Integer", "S", "sympify") and len(parts) == 1:
        return list(parts[0]) if isinstance(parts[0], list) else parts[0]
    if name in CALLS and len(parts) == 1:
        return [CALLS[name], *parts]
    raise UnreadError


def binary(op: ast.operator, left: Any, right: Any) -> list[Any]:
    match op:
        case ast.Add():
            return ["Add", left, right]
        case ast.Sub():
            return ["Add", left, ["Mul", MINUS_ONE, right]]
        case ast.Mult():
            return ["Mul", left, right]
        case ast.Div():
            return ["Mul", left, ["Pow", right, MINUS_ONE]]
        case ast.Pow():
            return ["Pow", left, right]
        case _:
            raise UnreadError


def symbols(tree: Any) -> set[str]:
    """The names of the symbols of a tree."""
    if not isinstance(tree, list):
        return set()
    if tree[:1] == ["Symbol"]:
        return {tree[1]}
    return {name for part in tree for name in symbols(part)}
