"""Source code of installed packages, as text to learn Python from. It is read and never run.

A file is cut between statements, at the top or within a class, into pieces of about `PIECE_CHARS`
characters. Tests, tables, and the docstrings that calcbench asks about or that corpora validate on
are left out.
"""

from __future__ import annotations

import ast
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from calcgen_ray.corpus import calcbench
from calcgen_ray.corpus.cell import MAX_CELL_CHARS, Cell, Reading
from calcgen_ray.corpus.docstrings import CALCULUS_MODULES
from calcgen_ray.corpus.licences import licence_of
from calcgen_ray.corpus.scripts import decode
from calcgen_ray.corpus.split import place
from calcgen_ray.errors import DataError

PIECE_CHARS = 600
LEFT_OUT = frozenset({"tests", "test", "testing", "benchmarks", "_vendor", "vendored", "extern"})
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Block = ast.stmt | ast.excepthandler | ast.match_case


def read_packages(names: Sequence[str], fraction: float = 0.0) -> Reading:
    """The pieces of every Python file of these packages; a file is a document.

    Args:
        fraction: docstrings of SymPy's calculus modules whose place is below it are cut out, since
            corpora of docstrings validate on them (split.py).

    Raises:
        DataError: a package that is not installed, or is no folder of Python files.
    """
    counts: Counter[str] = Counter()
    cells: list[Cell] = []
    for name in dict.fromkeys(names):
        root, licence = package_folder(name), licence_of(name)
        for path in sorted(root.rglob("*.py")):
            document = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            document = document.removesuffix(".__init__")
            if not LEFT_OUT.intersection(path.relative_to(root).parts):
                cells += _cells(path, document, licence, fraction, counts)
    return Reading(cells, len({cell.document for cell in cells}), counts)


def package_folder(name: str) -> Path:
    """Where an installed package lies; it is not imported.

    Raises:
        DataError: it is not installed, or is a single file.
    """
    spec = find_spec(name) if name.isidentifier() else None
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise DataError(
            f"corpus.packages: {name!r} is no installed package; install it, or give the name "
            "that it is imported by, such as sympy"
        )
    return Path(next(iter(places)))


def _cells(
    path: Path, document: str, licence: str, fraction: float, counts: Counter[str]
) -> Iterator[Cell]:
    try:
        text = decode(path.read_bytes())
        tree = ast.parse(text)
    except (DataError, SyntaxError, ValueError, RecursionError, MemoryError):
        counts["package: file cannot be read"] += 1
        return
    lines = text.splitlines(keepends=True)
    for start, end, why in _kept_back(tree, document, fraction):
        lines[start:end] = [""] * (end - start)
        counts[f"package: docstring kept for {why}"] += 1
    for number, piece in enumerate(pieces(lines, tree)):
        if len(piece) > MAX_CELL_CHARS:
            counts["package: a table, or another huge statement"] += 1
            continue
        yield Cell("package", document, number, piece, piece, licence=licence, group=document)


def pieces(lines: Sequence[str], tree: ast.Module) -> Iterator[str]:
    """The file in pieces that begin and end between statements; a long statement is one piece."""
    begin, size = 0, 0
    borders = [*sorted(set(_borders(tree))), len(lines)]
    for last, border in zip([0, *borders], borders, strict=False):
        grown = sum(map(len, lines[last:border]))
        if size and size + grown > PIECE_CHARS:
            yield from _piece(lines[begin:last])
            begin, size = last, 0
        size += grown
    yield from _piece(lines[begin:])


def _piece(lines: Sequence[str]) -> Iterator[str]:
    text = "".join(lines).strip("\n")
    if text.strip():
        yield text + "\n"


def _borders(tree: ast.Module) -> Iterator[int]:
    """The lines, from 0, before which a file may be cut."""
    for node in tree.body:
        yield _first_line(node)
        if isinstance(node, ast.ClassDef):
            yield from (_first_line(inner) for inner in node.body[1:])


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, Definition) else []
    return min([node.lineno, *(one.lineno for one in decorators)]) - 1


def _kept_back(tree: ast.Module, document: str, fraction: float) -> Iterator[tuple[int, int, str]]:
    """The lines of the docstrings that calcbench asks about or corpora validate on, and for what.

    Others with the same text in that file go with them; and where a method only inherits its text,
    those of all methods of its name do.
    """
    found = [(name, node, ast.get_docstring(node)) for name, node in _documented(tree, document)]
    reasons = {
        text or _last(name): reason
        for name, _, text in found
        if (reason := _reason(name, fraction))
    }
    for name, node, text in found:
        why = reasons.get(text or "") or reasons.get(_last(name))
        if text is not None and why:
            first = node.body[0]
            yield first.lineno - 1, first.end_lineno or first.lineno, why


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _reason(name: str, fraction: float) -> str:
    if name in calcbench.documents():
        return "calcbench"
    validates = name.startswith(CALCULUS_MODULES) and place(name) < fraction
    return "validation" if validates else ""


def _documented(tree: ast.Module, name: str) -> Iterator[tuple[str, ast.Module | Definition]]:
    """Breadth first, and never into expressions, which are most of a tree and define nothing."""
    yield name, tree
    todo: deque[ast.AST] = deque([tree])
    while todo:
        node = todo.popleft()
        inside = [n for n in ast.iter_child_nodes(node) if isinstance(n, Block)]
        todo.extend(inside)
        if isinstance(node, ast.Module | ast.ClassDef):
            owner = f".{node.name}" if isinstance(node, ast.ClassDef) else ""
            defined = [inner for inner in inside if isinstance(inner, Definition)]
            yield from ((f"{name}{owner}.{inner.name}", inner) for inner in defined)
