"""Whether a tree has the shape that `walk.py` gives: the comparisons then match on it freely.

A tree comes out of the candidate's process, which may send anything that JSON can hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from calcgen_ray.judge.verdict.finding import UnreadableError

DEPTH = 110  # a little over what the walk goes down
TEXTS = {"Integer": 1, "Rational": 2, "Float": 2, "Symbol": 1}
"""Atoms, and how many strings each holds."""


def check(tree: Any) -> None:
    """Refuses what is malformed anywhere.

    Raises:
        UnreadableError: a part is no tree, or the tree is too deep.
    """
    _check(tree, DEPTH)


def _check(tree: Any, depth: int) -> None:
    if not depth:
        raise UnreadableError("the answer is too deep")
    match tree:
        case [str(name), *texts] if name in TEXTS:
            good = len(texts) == TEXTS[name] and all(isinstance(one, str) for one in texts)
            _need(good, tree)
        case ["Matrix", int(), int(), *parts] | ["Apply", str(), *parts] | [str(), *parts]:
            _check_all(parts, depth)
        case dict():
            _check_python(tree, depth)
        case _:
            _need(False, tree)


def _check_all(trees: Iterable[Any], depth: int) -> None:
    for tree in trees:
        _check(tree, depth - 1)


def _check_python(tree: dict[str, Any], depth: int) -> None:
    if sorted(tree) == ["array", "shape", "step"]:
        return _check_array(tree)
    [(kind, value)] = tree.items() if len(tree) == 1 else [("", None)]
    match kind, value:
        case ("int" | "float" | "str" | "other", str()) | ("bool" | "none", bool()):
            return
        case "complex", [str(), str()]:
            return
        case "list" | "tuple" | "set", list(parts):
            _check_all(parts, depth)
        case "dict", list(pairs):
            for pair in pairs:
                _need(isinstance(pair, list) and len(pair) == 2, pair)
                _check_all(pair, depth)
        case "lines", list(lines):
            for line in lines:
                _check_line(line)
        case _:
            _need(False, tree)


def _check_array(tree: dict[str, Any]) -> None:
    match tree:
        case {"array": list(numbers), "shape": list(shape), "step": int(step)} if step > 0:
            sizes = all(isinstance(size, int) and size >= 0 for size in shape)
            _need(sizes and all(map(_is_number, numbers)), tree)
        case _:
            _need(False, tree)


def _check_line(line: Any) -> None:
    match line:
        case {"x": list(xs), "y": list(ys)}:
            _need(all(map(_is_number, (*xs, *ys))), line)
        case _:
            _need(False, line)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value in ("nan", "inf", "-inf")
    return isinstance(value, int | float) and not isinstance(value, bool)


def _need(good: bool, part: Any) -> None:
    if not good:
        raise UnreadableError(f"the answer is no tree: {str(part)[:60]}")
