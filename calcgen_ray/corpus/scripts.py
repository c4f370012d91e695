"""Code in .py files and in the fenced blocks of .md files."""

from __future__ import annotations

import ast
import doctest
import io
import re
import tokenize
from collections import Counter

from calcgen_ray.corpus.cell import MAX_CELL_CHARS
from calcgen_ray.errors import DataError

_MARK = re.compile(r"(?m)^#\s*(?:%%|In\s*\[.*?\]).*\n?")
_FENCE = re.compile(r"(?ms)^(`{3,}|~{3,})[ \t]*\{?\.?([\w+-]*)[^\n]*\n(.*?)^\1[ \t]*$")
_PYTHON = {"python", "py", "python3", "ipython", "ipython3", "pycon", "code-cell"}


def read_script(data: bytes) -> list[str]:
    """Cells of a .py file: between `# %%` marks, else the file, in pieces where it is huge.

    Raises:
        DataError: its message is the reason, in a few words that are counted.
    """
    text = decode(data)
    cells = [part for part in _MARK.split(text) if part.strip()]
    return [piece for cell in cells for piece in _pieces(cell)]


def read_markdown(data: bytes, counts: Counter[str]) -> list[str]:
    """Python blocks of a Markdown file; others are counted by language.

    Raises:
        DataError: its message is the reason, in a few words that are counted.
    """
    cells = []
    for _, language, body in _FENCE.findall(decode(data)):
        if language.lower() in _PYTHON or (not language and body.lstrip().startswith(">>>")):
            cells.append(_without_prompts(body))
        else:
            counts[f"markdown: block in {language.lower() or 'no language'}"] += 1
    return cells


def decode(data: bytes) -> str:
    """Text of a file by its mark or its declared coding (PEP 263), else UTF-8.

    Raises:
        DataError: it is none of these, or holds NUL.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise DataError("encoding: not UTF-8, and no other declared") from None
    if "\0" in text:
        raise DataError("encoding: holds NUL")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_prompts(body: str) -> str:
    if not re.search(r"(?m)^\s*>>> ", body):
        return body
    try:
        return "".join(e.source for e in doctest.DocTestParser().get_examples(body))
    except ValueError:
        return body


def _pieces(cell: str) -> list[str]:
    """A cell that is too long, cut between top-level statements."""
    if len(cell) <= MAX_CELL_CHARS:
        return [cell]
    try:
        body = ast.parse(cell).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [cell]
    lines, pieces, begin = cell.splitlines(keepends=True), [], 0
    for node, after in zip(body, [*body[1:], None], strict=True):
        end = (after.lineno - 1) if after is not None else len(lines)
        if sum(map(len, lines[begin:end])) > MAX_CELL_CHARS and begin < node.lineno - 1:
            pieces.append("".join(lines[begin : node.lineno - 1]))
            begin = node.lineno - 1
    return [*pieces, "".join(lines[begin:])]
