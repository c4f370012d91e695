"""Held-out cells as tasks: a cell's beginning is the prompt, and what follows is to be written.

Nobody knows what such a program should give, so it is not ruled on: what counts is whether prompt
and continuation run together (R), and how like the cell's own rest the continuation is (S).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calcgen_ray.corpus import store

FEWEST = 3
"""Statements of a cell that is used."""
LONGEST = 2000
"""Characters of a prompt that is used."""
WRITTEN = ("notebook", "script", "markdown", "docstring")


@dataclass(frozen=True, slots=True)
class Continuation:
    """`prompt` ends before a statement; `code` is the rest of the cell."""

    id: str
    family: str
    difficulty: str
    prompt: str
    code: str


def continuations(corpus: Path) -> list[Continuation]:
    """The held-out cells that people wrote, in the form that runs alone."""
    held_out = store.read(corpus, store.measured_split(corpus))
    return [task for record in held_out for task in _task(record)]


def _task(record: store.Record) -> Iterator[Continuation]:
    if record.source not in WRITTEN:
        return
    try:
        own, whole = (len(ast.parse(text).body) for text in (record.plain, record.code))
        cut = ast.parse(record.code).body[max(0, whole - own + own // 3)].lineno - 1
    except (SyntaxError, ValueError, IndexError):
        return
    lines = record.code.splitlines(keepends=True)
    prompt, rest = "".join(lines[:cut]), "".join(lines[cut:])
    if own >= FEWEST and prompt.strip() and len(prompt) <= LONGEST:
        yield Continuation(f"{record.id}/held_out/0", record.group, "", prompt, rest)


def trimmed(prompt: str, text: str) -> str:
    """The longest beginning of whole lines of `text` with which the prompt is Python.

    A model that knows no end is cut off in the middle of a line. All models are treated alike.
    """
    lines = text.splitlines(keepends=True)
    for count in range(len(lines), 0, -1):
        part = "".join(lines[:count])
        try:
            ast.parse(prompt + part)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return part
    return ""
