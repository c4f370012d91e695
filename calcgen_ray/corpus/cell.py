"""A cell of code as it was read, and what a source gave."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["docstring", "notebook", "script", "markdown", "package", "synthetic", "drill"]

MAX_CELL_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Cell:
    """`plain` stands as in its document, magics removed; `code` runs alone.

    `document` is a path within its folder or an object's dotted name; `group` is what the split
    keeps together.
    """

    source: Source
    document: str
    index: int
    plain: str
    code: str
    expected: str = ""
    statement: str = ""
    licence: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Cells, how many documents were read, and what was left out by reason."""

    cells: list[Cell] = field(default_factory=list)
    documents: int = 0
    counts: Counter[str] = field(default_factory=Counter)


def fault(code: str) -> str | None:
    """Why a code cannot be used, in a few words that are counted; None when it can."""
    if not code.strip():
        return "empty"
    if len(code) > MAX_CELL_CHARS:
        return f"huge: over {MAX_CELL_CHARS:,} characters"
    try:
        tree = ast.parse(code)
    except (RecursionError, MemoryError):
        return "too deeply nested"
    except (SyntaxError, ValueError):
        return "python 2" if _is_python_2(code) else "syntax error"
    return None if tree.body else "only comments"


def _is_python_2(code: str) -> bool:
    """Whether print statements are all that is wrong."""
    import re

    return bool(re.search(r"(?m)^\s*(print\s+[^\s(=]|exec\s+[\"']|raise\s+\w+\s*,)", code))
