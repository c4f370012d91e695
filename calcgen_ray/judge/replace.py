"""Whether a program computes its result: the given expression is changed, and it is run again.

The expression is found by value in the reference program and in the candidate (syntax trees, read
by an allow-list and compared by the verifier; never eval), changed in the same way in both (scaled,
tilted or shifted by a seeded number), and both are run. A program that prints what it learnt by
heart is then wrong.

A program without any call, loop or function that could compute is hard-coded without a second run,
even if its author did the sums in his head.

What remains foolable: a program that computes and, where that fails, falls back to what is written
down; one that asks whether the expression is the given one; for expand, factor, simplify and the
like, where the answer is itself equal to the question, one that calls expand on the answer; one
that writes the answer in pieces of the expression (`c*x**3/3` for `c*x**2`), which is fair too.
Where the expression is not found, or in a form that is not read, the answer is None: not known.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from calcgen_ray.judge.source import CALLS, Reader, UnreadError, symbols
from calcgen_ray.judge.verifier import Verifier
from calcgen_ray.problem import Expected, Kind, Problem, Verdict

KEYS = ("integrand", "function")
QUESTIONS = 60
"""Subtrees of one program that the verifier is asked about."""

FACTORS = (2, 3, 5, 7)
WRITTEN_DOWN = frozenset(
    {*CALLS, "sqrt", "symbols", "Symbol", "Function", "Eq", "Rational", "Integer", "Float", "S",
     "FiniteSet", "Tuple", "print", "array", "O", "Order", "float", "int", "str"}
)  # fmt: skip
"""Calls that state a result and compute none."""

Run = Callable[[str], Any]
"""Runs a program; the tree of its result, or None."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an expression, for text in any program where the variable has its own name."""

    name: str
    number: int
    variable: str

    def __call__(self, node: ast.expr) -> ast.expr:
        match self.name:
            case "scale":
                text = f"{self.number}*({ast.unparse(node)})"
            case "tilt":
                text = f"({ast.unparse(node)}) + {self.number}*{self.variable}"
            case _:
                text = ast.unparse(Shift(self.variable, self.number).visit(copy(node)))
        return ast.parse(text, mode="eval").body

    def text(self, text: str) -> str:
        return ast.unparse(self(ast.parse(text, mode="eval").body))


class Shift(ast.NodeTransformer):
    """Puts x - n in the place of x."""

    def __init__(self, variable: str, number: int) -> None:
        self.variable, self.number = variable, number

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self.variable:
            return node
        return ast.parse(f"({node.id} - {self.number})", mode="eval").body


class Swap(ast.NodeTransformer):
    """Changes the expressions of the list, known by identity."""

    def __init__(self, found: list[ast.expr], change: Change) -> None:
        self.found, self.change = {id(node) for node in found}, change

    def visit(self, node: ast.AST) -> Any:
        if id(node) in self.found and isinstance(node, ast.expr):
            return self.change(node)
        return self.generic_visit(node)


def recheck(problem: Problem, code: str, run: Run, verifier: Verifier) -> bool | None:
    """Whether an equal result was computed: True, False, or None where it cannot be told."""
    given = question(problem.expected)
    if given is None:
        return None
    try:
        reader, reference = Reader(code), Reader(problem.code)
    except (SyntaxError, ValueError, RecursionError):
        return None
    if is_written_down(reader.module):
        return False
    found = occurrences(reader, given, verifier)
    if not found:
        return None
    places = occurrences(reference, given, verifier)
    if not places:
        return None
    for change in changes(problem):
        if change.name == "shift" and any(map(reader.inherits, found)):
            continue
        verdict = changed(problem, change, (reader, found), (reference, places), run, verifier)
        if verdict is not None:
            return verdict
    return None


def question(expected: Expected) -> str | None:
    """The given expression, as text; for an equation its right side, if that is a plain one."""
    for key in KEYS:
        if key in expected.given and expected.kind is not Kind.ODE:
            return expected.given[key]
    if expected.kind is not Kind.ODE:
        return None
    _, right = sides(expected.given["equation"])
    return None if f"{expected.given['function']}(" in right or right == "0" else right


def sides(equation: str) -> tuple[str, str]:
    """Left and right of "Eq(left, right)"."""
    call = ast.parse(equation, mode="eval").body
    assert isinstance(call, ast.Call)
    left, right = map(ast.unparse, call.args)
    return left, right


def occurrences(reader: Reader, given: str, verifier: Verifier) -> list[ast.expr]:
    """The largest expressions of a program that are equal to the given one; no bare names.

    None are found where the given one is in a form that is not read.
    """
    wanted = Expected(Kind.EXPRESSION, given)
    try:
        names = symbols(Reader(given).tree(ast.parse(given, mode="eval").body))
    except (UnreadError, SyntaxError):
        return []
    found: list[ast.expr] = []
    asked = 0
    waiting: list[ast.AST] = [reader.module]
    while waiting and asked < QUESTIONS:
        node = waiting.pop(0)
        tree = read(reader, node)
        if tree is not None and symbols(tree) == names:
            asked += 1
            if verifier.decide(wanted, tree).verdict is Verdict.EQUAL:
                found.append(node)  # type: ignore[arg-type]
                continue
        waiting += ast.iter_child_nodes(node)
    return found


def read(reader: Reader, node: ast.AST) -> Any:
    """The tree of a node that is an expression of more than a name; else None."""
    if not isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call):
        return None
    try:
        return reader.tree(node)
    except UnreadError:
        return None


def changes(problem: Problem) -> list[Change]:
    """Changes to be tried in turn: zeros of a derivative do not move when it is scaled."""
    number = Random(problem.id).choice(FACTORS)
    variable = problem.expected.given["variable"].split(",")[0]
    kind = problem.expected.kind
    names = ("shift", "tilt") if kind is Kind.SOLUTION_SET else ("scale", "tilt", "shift")
    return [Change(name, number, variable) for name in names]


Found = tuple[Reader, list[ast.expr]]


def changed(
    problem: Problem,
    change: Change,
    candidate: Found,
    reference: Found,
    run: Run,
    verifier: Verifier,
) -> bool | None:
    """Whether the candidate follows the change; None where the reference itself does not."""
    wanted = run(rewritten(reference, change))
    if wanted is None or verifier.decide(problem.expected, wanted).verdict is not Verdict.DIFFERENT:
        return None
    result = run(rewritten(candidate, change))
    if result is None:
        return None
    expected = replace(problem.expected, given=changed_given(problem.expected, change))
    match verifier.decide(expected, result, reference=wanted).verdict:
        case Verdict.EQUAL:
            return True
        case Verdict.DIFFERENT:
            return False
        case _:
            return None


def rewritten(program: Found, change: Change) -> str:
    """The source with the change made wherever the expression stands."""
    reader, found = program
    marked = {id(node) for node in found}
    fresh = ast.parse(ast.unparse(reader.module))
    # Both trees are walked in the same order: what is changed is a copy.
    pairs = zip(ast.walk(reader.module), ast.walk(fresh), strict=True)
    places = [new for old, new in pairs if id(old) in marked and isinstance(new, ast.expr)]
    return ast.unparse(ast.fix_missing_locations(Swap(places, change).visit(fresh)))


def changed_given(expected: Expected, change: Change) -> Mapping[str, str]:
    """What is given, for the changed expression. A second curve is not asked for again."""
    given = {key: text for key, text in expected.given.items() if key != "second"}
    if expected.kind is Kind.ODE:
        left, right = sides(given["equation"])
        return {**given, "equation": f"Eq({left}, {change.text(right)})"}
    return given | {key: change.text(given[key]) for key in KEYS if key in given}


def is_written_down(module: ast.Module) -> bool:
    """Whether nothing in a program could have computed its result."""
    for node in ast.walk(module):
        if isinstance(node, ast.For | ast.While | ast.comprehension | ast.FunctionDef | ast.Lambda):
            return False
        if isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else (
                function.attr if isinstance(function, ast.Attribute) else "")  # fmt: skip
            if name not in WRITTEN_DOWN:
                return False
    return True


def copy(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body
