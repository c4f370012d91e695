"""Makes a notebook's cell run alone: a backward slice over the statements before it.

Weiser (Program slicing, ICSE 1981) over data dependences only: from the names that the cell needs,
walk back and take each statement that binds one of them or changes its object, then what that
statement needs, until nothing changes. Compound statements are taken whole; calls that only plot
or print are left; imports are cut to the names that are used.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from calcgen_ray.corpus.names import Names, names_of

DISPLAY = "from IPython.display import display"
_CONDITIONAL = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.Match)


@dataclass(frozen=True, slots=True)
class Statement:
    """One top-level statement of an earlier cell."""

    node: ast.stmt
    text: str
    names: Names

    @property
    def is_import(self) -> bool:
        return isinstance(self.node, ast.Import | ast.ImportFrom)

    @property
    def is_star(self) -> bool:
        return isinstance(self.node, ast.ImportFrom) and self.node.names[0].name == "*"

    @property
    def seeds(self) -> bool:
        """Whether it seeds a random generator, which binds nothing and matters all the same."""
        call = getattr(self.node, "value", None)
        return isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "seed"


def self_contained(previous: Sequence[str], target: str) -> str:
    """The cell `target` with just what it needs of the `previous` cells before it.

    Raises:
        SyntaxError: one of them is not Python.
    """
    earlier = [statement for cell in previous for statement in statements(cell)]
    wanted = names_of(ast.parse(target)).needs
    taken, missing = _slice(earlier, wanted, "random" in target)
    lines = [_render(earlier[place], needed) for place, needed in sorted(taken.items())]
    if "display" in missing:
        lines.insert(0, DISPLAY)
    return "\n".join(lines) + "\n\n" + target if lines else target


@lru_cache(maxsize=4096)
def statements(cell: str) -> tuple[Statement, ...]:
    """The top-level statements of a cell with their text and names."""
    return tuple(
        Statement(node, _segment(cell, node), names_of(node)) for node in ast.parse(cell).body
    )


def _slice(
    earlier: Sequence[Statement], wanted: Sequence[str], random: bool
) -> tuple[dict[int, set[str]], set[str]]:
    """Places of the statements to take, each with the names it is taken for; names not found."""
    late: set[str] = set()
    while True:
        taken, missing = _walk_back(earlier, set(wanted) | late, random)
        inside = {name for place in taken for name in earlier[place].names.delayed}
        if inside <= late:
            break
        late |= inside  # a function's names count as of its call, so the walk starts with them
    if missing - {"display"}:
        for place, statement in enumerate(earlier):
            if statement.is_star:
                taken.setdefault(place, set())
    return taken, missing


def _walk_back(
    earlier: Sequence[Statement], needed: set[str], random: bool
) -> tuple[dict[int, set[str]], set[str]]:
    taken: dict[int, set[str]] = {}
    for place in range(len(earlier) - 1, -1, -1):
        statement, names = earlier[place], earlier[place].names
        binds = names.stored & needed
        if statement.is_import:
            if binds:
                taken[place] = binds
                needed -= binds
            continue
        if not binds and not names.changed & needed and not (random and statement.seeds):
            continue
        taken[place] = binds
        if not isinstance(statement.node, _CONDITIONAL) or isinstance(statement.node, ast.With):
            needed -= names.bound
        needed |= set(names.needs)
    return taken, needed


def _render(statement: Statement, needed: set[str]) -> str:
    node = statement.node
    if not isinstance(node, ast.Import | ast.ImportFrom) or statement.is_star:
        return statement.text
    kept = [a for a in node.names if (a.asname or a.name.split(".")[0]) in needed]
    if isinstance(node, ast.ImportFrom):
        kept = [a for a in node.names if (a.asname or a.name) in needed]
        return ast.unparse(ast.ImportFrom(node.module, kept, node.level))
    return ast.unparse(ast.Import(kept))


def _segment(cell: str, node: ast.stmt) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(d.lineno for d in decorators)])
    lines = cell.splitlines()[first - 1 : node.end_lineno]
    alone = node.col_offset == 0 and len(lines[-1].encode()) == node.end_col_offset
    return "\n".join(lines) if alone else ast.get_source_segment(cell, node) or ast.unparse(node)
