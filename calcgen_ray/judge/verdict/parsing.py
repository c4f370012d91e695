"""Expected answers as SymPy objects. Only text that this project wrote comes here."""

from __future__ import annotations

import string
from functools import lru_cache
from typing import Any

import sympy

LETTERS = {name: sympy.Symbol(name) for name in string.ascii_letters if name not in ("E", "I", "O")}
"""Letters that are variables here, and functions or worse in SymPy: S, N, Q."""


@lru_cache(maxsize=4096)
def parse(text: str, functions: tuple[str, ...] = ()) -> Any:
    """The object that `text` was written from; `functions` names the unknown functions in it."""
    names = LETTERS | {"lam": sympy.Symbol("lam")}
    return sympy.sympify(text, locals=names | {f: sympy.Function(f) for f in functions})
