"""Calls of interest in the examples of SymPy's docstrings, run in order in their own namespace."""

from __future__ import annotations

import ast
import doctest
import inspect
import io
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

from calcgen_ray.corpus import docstrings

REWRITES = (
    "expand", "factor", "cancel", "together", "apart", "simplify", "trigsimp", "powsimp", "radsimp",
    "ratsimp", "gammasimp", "combsimp",
)  # fmt: skip
CALLS = ("diff", "integrate", "limit", "series", "dsolve", "subs", "solve", *REWRITES)


def examples() -> Iterator[tuple[str, str, tuple[Any, ...], str]]:
    """Document, name of the call, its arguments (the object of a method first), printed result."""
    seen: set[str] = set()
    for module in docstrings.iter_modules(("sympy",), Counter()):
        for name, owner in docstrings.owners(module):
            written = inspect.getdoc(owner) or ""
            if any(f"{call}(" in written for call in CALLS) and written not in seen:
                seen.add(written)
                yield from _run(name, written, dict(vars(module)))


def _run(
    document: str, written: str, names: dict[str, Any]
) -> Iterator[tuple[str, str, tuple[Any, ...], str]]:
    try:
        examples = doctest.DocTestParser().get_examples(written)
    except ValueError:
        return
    for example in examples:
        try:
            node = ast.parse(example.source.strip()).body[0]
            with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                found = _call(node, names)
                exec(compile(ast.Module([node], []), document, "exec"), names)
        except Exception:
            continue
        if found and example.want.strip() and "\n" not in example.want.strip():
            yield document, *found, example.want.strip()


def _call(node: ast.stmt, names: dict[str, Any]) -> tuple[str, tuple[Any, ...]] | None:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return None
    call = node.value

    def value(part: ast.expr) -> Any:
        return eval(compile(ast.Expression(part), "", "eval"), names)

    options = {word.arg: value(word.value) for word in call.keywords}
    if any(isinstance(arg, ast.Starred) for arg in call.args):
        return None
    args = (*map(value, call.args), *_positional(call, options))
    if isinstance(call.func, ast.Name) and call.func.id in CALLS:
        return call.func.id, args
    if isinstance(call.func, ast.Attribute) and call.func.attr in CALLS:
        owner = value(call.func.value)
        return call.func.attr, args if inspect.ismodule(owner) else (owner, *args)
    return None


def _positional(call: ast.Call, options: dict[str | None, Any]) -> tuple[Any, ...]:
    """The options that have a place of their own: series(n=...) and limit(dir=...)."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "dsolve" and set(options) <= {"hint"}:
        return ()  # how it is solved is no part of the question
    if name == "limit" and set(options) == {"dir"}:
        return (options["dir"],)
    fits = not options or (name == "series" and set(options) == {"n"} and call.args)
    if not fits:
        raise ValueError("an option without a place")
    return (0, options["n"]) if options else ()
