"""Parsing text that may be no Python at all."""

from __future__ import annotations

import ast
import re
import warnings

PYTHON_2 = re.compile(
    r"Missing parentheses in call to '(print|exec)'"
    r"|multiple exception types must be parenthesized"
    r"|leading zeros in decimal integer literals"
)
PYTHON_2_LINE = re.compile(r"^\s*(raise \w+, |print >> ?\w)", re.MULTILINE)
TOO_DEEP = "too deeply nested"


def parse(code: str) -> ast.Module:
    """The tree of a cell, without warnings about its escapes.

    Raises:
        SyntaxError: also for null bytes and lone surrogates.
        RecursionError, MemoryError: nested too deeply.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(code)
            compile(tree, "<cell>", "exec", dont_inherit=True)
        except (ValueError, OverflowError) as error:
            raise SyntaxError(str(error)) from None
    return tree


def fault(code: str) -> str:
    """Why a cell cannot be used: "syntax error", "python 2", "too deeply nested", "empty" or ""."""
    try:
        tree = parse(code)
    except SyntaxError as error:
        old = PYTHON_2.search(error.msg or "") or PYTHON_2_LINE.search(code)
        if not old and "too many nested" in (error.msg or ""):
            return TOO_DEEP
        return "python 2" if old else "syntax error"
    except (RecursionError, MemoryError):
        return TOO_DEEP
    return "" if tree.body else "empty"


def parses(code: str) -> bool:
    """Whether it is Python 3, an empty text included."""
    return fault(code) in ("", "empty")
