"""Exact and near duplicates among cells."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

SHINGLE = 5
PERMUTATIONS = 128


def exact(codes: Sequence[str]) -> list[int]:
    """Indexes of the first of each set of codes that differ in comments or white space at most."""
    seen: set[bytes] = set()
    kept = []
    for index, code in enumerate(codes):
        key = hashlib.sha256(" ".join(words(code)).encode()).digest()
        if key not in seen:
            seen.add(key)
            kept.append(index)
    return kept


def near(codes: Sequence[str], threshold: float = 0.85) -> list[int]:
    """Indexes of cells that no earlier kept cell resembles.

    Two cells resemble each other when the Jaccard similarity of their 5-word shingles, estimated
    by MinHash with 128 permutations (Broder 1997), is at least `threshold`.
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    shingles = ([shingle.encode() for shingle in _shingles(words(code))] for code in codes)
    sketches = MinHash.generator(shingles, num_perm=PERMUTATIONS, seed=1)
    kept = []
    for number, (code, sketch) in enumerate(zip(codes, sketches, strict=True)):
        rivals = index.query(sketch)
        if any(_kept_jaccard(codes[int(r)], code) >= threshold for r in rivals):
            continue
        index.insert(str(number), sketch)
        kept.append(number)
    return kept


def words(code: str) -> list[str]:
    """Names, numbers and signs of a code, comments left out."""
    without = re.sub(r"(?m)^\s*#.*$", "", code)
    return re.findall(r"\w+|[^\w\s]", without)


def _shingles(tokens: Sequence[str]) -> set[str]:
    return {" ".join(tokens[i : i + SHINGLE]) for i in range(max(1, len(tokens) - SHINGLE + 1))}


def _kept_jaccard(one: str, two: str) -> float:
    a, b = _shingles(words(one)), _shingles(words(two))
    return len(a & b) / len(a | b)
