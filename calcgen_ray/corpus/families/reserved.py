"""Which expressions are kept for measuring, so that no training problem ever holds one."""

from __future__ import annotations

import hashlib

SHARE = 8
"""One skeleton in so many is reserved."""

SALT = "calcbench/552"
"""Drawn so that the commonest forms of every family stay in training."""


def is_reserved(skeleton: str) -> bool:
    """Whether problems of this expression, its constants masked, belong to the benchmark.

    A rule and not a list: it holds for every seed, size and shape of a training corpus. The kind
    before the colon does not count, so an expression that the benchmark differentiates is not
    integrated in training either.
    """
    expression = skeleton.partition(": ")[2] or skeleton
    return hashlib.sha256(f"{SALT}/{expression}".encode()).digest()[0] % SHARE == 0


COMPOSITIONS = (
    ("sin", "log"), ("cos", "exp"), ("exp", "tan"), ("log", "cos"), ("tan", "sin"),
    ("atan", "exp"), ("log", "atan"), ("cos", "atan"), ("exp", "asin"), ("sin", "acos"),
)  # fmt: skip
"""Functions directly within functions that training never shows, though it shows each alone, and
within others: every function has one such place at least."""


def has_kept_composition(skeleton: str) -> bool:
    """Whether one of `COMPOSITIONS` stands in the expression, as sin(log(...))."""
    return any(f"{outer}({inner}(" in skeleton for outer, inner in COMPOSITIONS)


def may_train(skeleton: str) -> bool:
    """Whether a training problem or drill may hold the expression."""
    return not is_reserved(skeleton) and not has_kept_composition(skeleton)
