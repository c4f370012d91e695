"""Takes IPython's own syntax out of a cell, and leaves Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from calcgen_ray.corpus.syntax import fault, parses

BODY_IS_PYTHON = frozenset({"time", "timeit", "capture", "prun", "memit", "debug", "notify"})

CELL_MAGIC = re.compile(r"(?:[ \t]*(?:#.*)?\n)*[ \t]*%%(\w*).*(?:\n|\Z)")
LINE_MAGIC = re.compile(r"[ \t]*(%%?|!!?|\?\??)[ \t]*([^\s;(]*)(.*)", re.DOTALL)
HELP = re.compile(r"[ \t]*%{0,2}(?!\d)[\w*]+(\.\w+|\[[^\]\n]+\])*\?\??[ \t;]*(#.*)?")
FROM_MAGIC = re.compile(r"[ \t]*[A-Za-z_][\w., \t\[\]\"']*=[ \t]*([%!])\w")
PHYSICAL_LINE = re.compile(r"(?:\\\n|[^\n])*\n?")
TOKEN = re.compile(
    r"""#[^\n]*
    |(?P<quote>'{3}|"{3})(?:\\.|(?!(?P=quote)).)*(?:(?P=quote)|\Z)
    |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'
    |\\\n|(?P<open>[\[({])|(?P<close>[\])}])|(?P<end>\n)|.""",
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cell without magics, or the reason why it is left out."""

    code: str
    reason: str = ""


def remove_magics(source: str) -> Cleaned:
    """The Python of a cell.

    Line magics, shell lines and questions are dropped, and so are the first lines of the cell
    magics in `BODY_IS_PYTHON`; `%time statement` keeps the statement. Other cell magics, and
    names bound to what a magic or the shell gives, leave the whole cell out. A cell that parses
    is returned as it is: a `%` in it is never a magic.
    """
    if parses(source):
        return Cleaned(source)
    body = source
    while found := CELL_MAGIC.match(body):
        if found[1] not in BODY_IS_PYTHON:
            return Cleaned("", f"magic: %%{found[1]}")
        body = body[found.end() :]
    lines = list(logical_lines(body))
    for line in lines:
        if bound := FROM_MAGIC.match(line):
            return Cleaned("", f"magic: x = {bound[1]}")
    return _without(lines, source)


def _without(lines: list[str], source: str) -> Cleaned:
    code = "".join(_python_of(line, "") for line in lines)
    if not parses(code):
        code = "".join(_python_of(line, "pass\n") for line in lines)
    code = code.strip("\n")
    if code != source and fault(code) == "empty":
        return Cleaned(code, _first_magic(source))
    return Cleaned(code)


def _python_of(line: str, instead: str) -> str:
    """A logical line that is Python as it is; of a magic, what it leaves."""
    magic = LINE_MAGIC.fullmatch(line)
    if not magic and not HELP.fullmatch(line.rstrip("\n")):
        return line
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    if magic and magic[1] == "%" and magic[2] == "time" and parses(magic[3].strip()):
        return indent + magic[3].strip() + "\n"
    return indent + instead if indent and instead else ""


def _first_magic(source: str) -> str:
    for line in logical_lines(source):
        if HELP.fullmatch(line.rstrip("\n")):
            return "magic: ?"
        if magic := LINE_MAGIC.fullmatch(line):
            name = magic[2] if magic[1].startswith("%") else ""
            return f"magic: {magic[1][0] if not name else magic[1]}{name}"
    return "empty"


def logical_lines(text: str) -> Iterator[str]:
    """Lines as Python sees them: brackets, strings and backslashes carry a line on.

    A line that begins like a magic is read as the shell would: to its end, quotes or not.
    """
    place = 0
    while place < len(text):
        end = _end_of_line(text, place)
        yield text[place:end]
        place = end


def _end_of_line(text: str, place: int) -> int:
    line = PHYSICAL_LINE.match(text, place)
    if line and (LINE_MAGIC.match(line[0]) or HELP.fullmatch(line[0].rstrip("\n"))):
        return line.end()
    depth = 0
    for token in TOKEN.finditer(text, place):
        depth += bool(token["open"]) - bool(token["close"])
        if token["end"] and depth <= 0:
            return token.end()
    return len(text)
