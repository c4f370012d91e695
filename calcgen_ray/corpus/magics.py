"""IPython's additions to Python, taken out of a cell: magics, shell lines, questions."""

from __future__ import annotations

import ast
import re

_BODY_IS_PYTHON = {"time", "timeit", "capture", "prun", "memit", "mprun", "debug"}
_CELL_MAGIC = re.compile(r"^\s*%%\s*(\w+)")
_LINE = re.compile(r"^(\s*)(%{1,2}\w|!|\?{1,2}\w)|^(\s*)[\w.]+\?{1,2}\s*$")
_ASSIGNED = re.compile(r"^\s*[\w.,\s]+=\s*(!|%\w)")


def strip_magics(cell: str) -> tuple[str, str | None]:
    """The cell as Python, and None; or as it is, and why it cannot be used.

    What parses as Python stays untouched, so `%` in strings and arithmetic is never harmed.
    """
    cell = cell.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    if _parses(cell):
        return cell, None
    lines = cell.split("\n")
    first = next((i for i, s in enumerate(lines) if s.strip() and s.lstrip()[:1] != "#"), 0)
    found = _CELL_MAGIC.match(lines[first])
    if found and found[1] not in _BODY_IS_PYTHON:
        return cell, f"magic: %%{found[1]}"
    if any(_ASSIGNED.match(line) for line in lines):
        return cell, "magic: assigned from a shell or a magic"
    kept = [line for line in map(_without, lines) if line is not None]
    return "\n".join(kept), None


def _without(line: str) -> str | None:
    found = _LINE.match(line)
    if not found:
        return line
    indent = found[1] or found[3] or ""
    return f"{indent}pass" if indent else None  # a block must not lose its only statement


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
