"""Text that is kept from training, and which other texts share a run of 13 tokens with it.

Thirteen is the length that GPT-3's authors used to find what a benchmark shares with training data
(arXiv:2005.14165, appendix C), there in words; tokens of code are shorter, so this is stricter.
Lines of imports are passed over: long ones are alike everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from calcgen_ray.corpus import calcbench
from calcgen_ray.corpus.docstrings import CALCULUS_MODULES, read_docstrings
from calcgen_ray.corpus.split import place

LENGTH = 13
TOKEN = re.compile(r"\w+|[^\w\s]")
PROMPT = re.compile(r"^\s*(>>>|\.\.\.) ?")
IMPORT = re.compile(r"\s*(from|import)\b")

Run = tuple[str, ...]


def runs(text: str) -> set[Run]:
    """All runs of `LENGTH` tokens of a text, doctest prompts and lines of imports left out."""
    lines = (PROMPT.sub("", line) for line in text.splitlines())
    tokens = TOKEN.findall("\n".join(line for line in lines if not IMPORT.match(line)))
    return {tuple(tokens[i : i + LENGTH]) for i in range(len(tokens) - LENGTH + 1)}


def all_runs(texts: Iterable[str]) -> set[Run]:
    """Those of several texts."""
    return {run for text in texts for run in runs(text)}


@cache
def kept_back(fraction: float) -> frozenset[Run]:
    """The runs of the docstrings that calcbench asks about or that corpora validate on.

    Args:
        fraction: SymPy's calculus docstrings whose place is below it validate (split.py).
    """
    asked = [c for c in read_docstrings(["sympy"]).cells if c.document in calcbench.documents()]
    calculus = read_docstrings(CALCULUS_MODULES).cells
    held = [cell for cell in calculus if place(cell.document) < fraction]
    return frozenset(all_runs(cell.plain for cell in asked + held))
