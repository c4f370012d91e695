"""Doctest examples of installed packages: real code with the outputs that it is known to give."""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib
import inspect
import io
import json
import pkgutil
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from types import ModuleType
from typing import Any

from calcgen_ray.corpus.cell import Cell, Reading, fault
from calcgen_ray.corpus.licences import licence_of
from calcgen_ray.corpus.names import names_of
from calcgen_ray.errors import DataError

CALCULUS_MODULES = (
    "sympy.calculus",
    "sympy.core.function",
    "sympy.integrals",
    "sympy.plotting",
    "sympy.series",
    "sympy.solvers.ode",
)
"""Calculus, differentiation, integrals, plots, series and limits, differential equations."""


def read_docstrings(modules: Sequence[str]) -> Reading:
    """A cell for each docstring with examples, in the modules and all that lies below them.

    Raises:
        DataError: a module that is not installed.
    """
    counts: Counter[str] = Counter()
    cells: list[Cell] = []
    seen: set[str] = set()
    for module in iter_modules(modules, counts):
        licence = licence_of(module.__name__.split(".")[0])
        for name, owner in sorted(owners(module), key=lambda pair: pair[0]):
            text = inspect.getdoc(owner) or ""
            if ">>>" not in text or text in seen:
                continue
            seen.add(text)
            cell = _cell(name, text, module, licence, counts)
            if cell is not None:
                cells.append(cell)
    return Reading(cells, len({cell.document for cell in cells}), counts)


def iter_modules(names: Sequence[str], counts: Counter[str]) -> Iterator[ModuleType]:
    for name in dict.fromkeys(names):
        try:
            top = _import(name)
        except Exception:
            raise DataError(
                f"corpus.docstrings: module {name!r} cannot be imported; install its package"
            ) from None
        yield top
        for found in sorted(_below(top)):
            if any(part in ("tests", "benchmarks", "testing") for part in found.split(".")):
                continue
            try:
                yield _import(found)
            except Exception:
                counts["docstring: module cannot be imported"] += 1


def _import(name: str) -> ModuleType:
    silence = io.StringIO()  # some modules print, or exchange sys.stdout, when they are imported
    with warnings.catch_warnings(), redirect_stdout(silence), redirect_stderr(silence):
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def _below(package: ModuleType) -> Iterator[str]:
    for path in getattr(package, "__path__", []):
        for info in pkgutil.iter_modules([path]):
            name = f"{package.__name__}.{info.name}"
            yield name
            if info.ispkg:
                try:
                    yield from _below(_import(name))
                except Exception:
                    continue


def owners(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The module, and the classes, functions and methods that are defined in it."""
    yield module.__name__, module
    for value in list(vars(module).values()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            name = value.__qualname__
            yield f"{module.__name__}.{name}", value
            for inner, member in vars(value).items():
                function = inspect.unwrap(getattr(member, "__func__", member))
                if inspect.isfunction(function) or isinstance(member, property):
                    yield f"{module.__name__}.{name}.{inner}", member
        elif inspect.isfunction(value):
            yield f"{module.__name__}.{value.__qualname__}", value


def _cell(
    name: str, text: str, module: ModuleType, licence: str, counts: Counter[str]
) -> Cell | None:
    try:
        parsed = doctest.DocTestParser().get_examples(text)
    except ValueError:
        counts["docstring: examples are malformed"] += 1
        return None
    examples = [e for e in parsed if not e.options.get(doctest.SKIP) and e.exc_msg is None]
    plain = "".join(example.source for example in examples)
    reason = fault(plain)
    if reason is not None:
        counts[f"docstring: {reason}"] += 1
        return None
    code = _imports(plain, module) + plain
    wants = json.dumps([e.want for e in examples], ensure_ascii=False)
    return Cell("docstring", name, 0, plain, code, wants, licence=licence, group=name)


def _imports(code: str, module: ModuleType) -> str:
    """doctest runs examples with the module's names at hand: import those that are used."""
    needed = names_of(ast.parse(code)).needs
    found = [n for n in needed if n in vars(module) and not hasattr(builtins, n)]
    return f"from {module.__name__} import {', '.join(found)}\n" if found else ""
