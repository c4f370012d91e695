"""S, the article's AST similarity, over multisets of normalised subtrees.

    S = |AST_gen ∩ AST_ref| / |AST_ref|

The article does not say what the elements are; here they are all subtrees, each counted as often as
it stands, so that the intersection takes the smaller count. S is a recall: text that is only added
never lowers it. So precision, |AST_gen ∩ AST_ref| / |AST_gen|, and their harmonic mean F1 stand
beside it.

CodeBLEU (Ren et al. 2020, arXiv:2009.10297) also matches subtrees, but drops identifiers and
literals, so that diff(x**2) matches diff(y**7), and counts a subtree as found however often it is
needed. Here names of libraries, functions, attributes and keywords, and literals, are kept.
Names that the program itself binds are all one name, and so is the choice between `import sympy`,
`import sympy as sp` and `from sympy import *`: none of these changes what the program does.
"""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

BOUND = "_"
LEFT_OUT = ("ctx", "type_comment", "kind", "type_ignores", "lineno", "col_offset")
Subtree = tuple[object, ...]


class Similarity(NamedTuple):
    """S and, since S alone rewards padding, precision and F1; each from 0 to 1."""

    s: float
    precision: float
    f1: float


NONE = Similarity(0.0, 0.0, 0.0)


def similarity(generated: str, reference: str) -> Similarity:
    """The similarity of a program to a reference; all zero if it is no Python.

    Raises:
        ValueError: the reference is no Python, or holds no statement.
    """
    try:
        wanted = subtrees(reference)
    except SyntaxError as error:
        raise ValueError(f"the reference is no Python: {error}") from error
    if not wanted:
        raise ValueError("the reference holds no statement")
    try:
        found = subtrees(generated)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return NONE
    shared = (found & wanted).total()
    if not shared:
        return NONE
    return Similarity(
        shared / wanted.total(),
        shared / found.total(),
        2 * shared / (wanted.total() + found.total()),
    )


def subtrees(code: str) -> Counter[Subtree]:
    """How often each normalised subtree stands in a program.

    Raises:
        SyntaxError: it is no Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the compiler says of generated code is no news
        tree = ast.parse(code)
    names = Names(tree)
    found: Counter[Subtree] = Counter()
    for statement in tree.body:
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            names.count(statement, found)
    return found


class Names:
    """What the names of one program stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self.modules = dict(_modules(tree))
        stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and is_stored(n)}
        defined = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        self.bound = stored | defined | {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}

    def count(self, node: ast.AST, found: Counter[Subtree]) -> Subtree:
        """The node as a tuple, after it and all below it are counted."""
        match node:
            case ast.Attribute(value=ast.Name(id=name)) if name in self.modules:
                return self._add(("Name", node.attr), found)  # sp.diff and diff are one
            case ast.Name(id=name):
                return self._add(("Name", BOUND if name in self.bound else name), found)
        parts: list[object] = [type(node).__name__]
        for name, value in ast.iter_fields(node):
            if name not in LEFT_OUT:
                parts.append(self._field(name, value, found))
        return self._add(tuple(parts), found)

    def _field(self, name: str, value: object, found: Counter[Subtree]) -> object:
        if isinstance(value, ast.AST):
            return self.count(value, found)
        if isinstance(value, list):
            return tuple(self._field(name, one, found) for one in value)
        if isinstance(value, str) and name in ("name", "arg") and value in self.bound:
            return BOUND
        return (type(value).__name__, repr(value))  # 1, 1.0 and True are not the same

    def _add(self, subtree: Subtree, found: Counter[Subtree]) -> Subtree:
        found[subtree] += 1
        return subtree


def is_stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _modules(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], alias.name
