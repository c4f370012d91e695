"""Source code of installed packages, as text to learn Python from. It is read and never run.

A file is cut between statements, at the top or within a class, into pieces of about `PIECE_CHARS`
characters. Tests, tables, and the docstrings that calcbench asks about are left out.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from calcgen_ray.corpus import calcbench
from calcgen_ray.corpus.cell import MAX_CELL_CHARS, Cell, Reading
from calcgen_ray.corpus.licences import licence_of
from calcgen_ray.corpus.scripts import decode
from calcgen_ray.errors import DataError

PIECE_CHARS = 1200
LEFT_OUT = frozenset({"tests", "test", "testing", "benchmarks", "_vendor", "vendored", "extern"})
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def read_packages(names: Sequence[str]) -> Reading:
    """The pieces of every Python file of these packages; a file is a document.

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
                cells += _cells(path, document, licence, counts)
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


def _cells(path: Path, document: str, licence: str, counts: Counter[str]) -> Iterator[Cell]:
    try:
        text = decode(path.read_bytes())
        tree = ast.parse(text)
    except (DataError, SyntaxError, ValueError, RecursionError, MemoryError):
        counts["package: file cannot be read"] += 1
        return
    lines = text.splitlines(keepends=True)
    for start, end in _asked_about(tree, document):
        lines[start:end] = [""] * (end - start)
        counts["package: docstring kept for calcbench"] += 1
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


def _asked_about(tree: ast.Module, document: str) -> Iterator[tuple[int, int]]:
    """The lines of the docstrings that calcbench's problems were taken from."""
    for name, node in _documented(tree, document):
        if name in calcbench.documents() and ast.get_docstring(node) is not None:
            first = node.body[0]
            yield first.lineno - 1, first.end_lineno or first.lineno


def _documented(tree: ast.Module, name: str) -> Iterator[tuple[str, ast.Module | Definition]]:
    yield name, tree
    for node in ast.walk(tree):
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, Definition) and isinstance(node, ast.Module | ast.ClassDef):
                owner = f".{node.name}" if isinstance(node, ast.ClassDef) else ""
                yield f"{name}{owner}.{inner.name}", inner
