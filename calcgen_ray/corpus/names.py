"""Which names a piece of code reads, binds and changes at module level."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

MUTATORS = frozenset(
    [
        "append",
        "appendleft",
        "extend",
        "insert",
        "remove",
        "pop",
        "popleft",
        "popitem",
        "clear",
        "sort",
        "reverse",
        "update",
        "add",
        "discard",
        "setdefault",
        "fill",
        "resize",
        "put",
        "partition",
        "setflags",
    ]
)
"""Methods that change the object that they belong to."""

CHANGERS = frozenset(
    {
        "copyto", "fill_diagonal", "heapify", "heappop", "heappush", "insort", "putmask", "shuffle",
    }
)  # fmt: skip
"""Functions that change their first argument."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass
class Names:
    """Names of a statement or a whole cell.

    `free` are read before they are bound; `delayed` are read inside functions, so they count as
    of the call; `bound` are surely bound afterwards, `stored` perhaps; `changed` have a part of
    their object exchanged.
    """

    free: list[str] = field(default_factory=list)
    delayed: list[str] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)

    @property
    def needs(self) -> list[str]:
        """All names that must be there from before, in order."""
        late = [name for name in self.delayed if name not in self.bound]
        return list(dict.fromkeys(self.free + late))


def names_of(node: ast.AST) -> Names:
    """The names of a module, a statement or an expression."""
    visitor = _Visitor()
    visitor.visit(node)
    return visitor.names


def free_names(code: str) -> list[str]:
    """Names that a code needs from before it, in the order of their first use.

    Raises:
        SyntaxError: it is not Python.
    """
    return names_of(ast.parse(code)).needs


class _Visitor(ast.NodeVisitor):
    """Walks in the order of evaluation."""

    def __init__(self, bound: set[str] | None = None) -> None:
        self.names = Names(bound=set(bound or ()))

    def _bind(self, name: str) -> None:
        self.names.bound.add(name)
        self.names.stored.add(name)

    def _read(self, name: str) -> None:
        if name not in self.names.bound:
            self.names.free.append(name)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._read(node.id)
        elif isinstance(node.ctx, ast.Store):
            self._bind(node.id)
        else:
            self._read(node.id)
            self.names.bound.discard(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._part(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._part(node)

    def _part(self, node: ast.Attribute | ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._change(node.value)
        self.generic_visit(node)

    def _change(self, node: ast.AST) -> None:
        while isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        if isinstance(node, ast.Name):
            self.names.changed.add(node.id)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if isinstance(called, ast.Attribute) and name in MUTATORS:
            self._change(called.value)
        if name in CHANGERS and node.args:
            self._change(node.args[0])
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
            self.names.changed.add(node.target.id)
        self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.visit(node.target)
        self._visit_all([*node.body, *node.orelse])

    visit_AsyncFor = visit_For

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.visit(item.optional_vars)
        self._visit_all(node.body)

    visit_AsyncWith = visit_With

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        before = set(self.names.bound)
        self._visit_all(node.body)
        after_body, self.names.bound = self.names.bound, before
        self._visit_all(node.orelse)
        self.names.bound &= after_body

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        if node.name:
            self._bind(node.name)
        self._visit_all(node.body)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.split(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name != "*":
                self._bind(alias.asname or alias.name)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.generic_visit(node)
        if node.name:
            self._bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_all([*node.decorator_list, *_around(node.args)])
        if node.returns is not None:
            self.visit(node.returns)
        self._delay(node, node.body)
        self._bind(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_all(_around(node.args))
        self._delay(node, [node.body])

    def _delay(self, node: Function, body: list[ast.stmt] | list[ast.expr]) -> None:
        """What a function's body needs of the module counts as of its call."""
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        inner = _Visitor({a.arg for a in every})
        inner._visit_all(list(body))
        public = {n for s in ast.walk(node) if isinstance(s, ast.Global) for n in s.names}
        local = inner.names.stored - public
        self.names.delayed += [name for name in inner.names.needs if name not in local]
        self.names.changed |= inner.names.changed - local - {a.arg for a in every}
        self.names.stored |= public & inner.names.stored

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_all([*node.decorator_list, *node.bases, *(k.value for k in node.keywords)])
        inner = _Visitor(self.names.bound)
        inner._visit_all(node.body)
        self.names.free += inner.names.free
        self.names.delayed += inner.names.delayed
        self._bind(node.name)

    def _comprehension(self, node: ast.AST) -> None:
        inner = _Visitor(self.names.bound)
        for part in getattr(node, "generators", []):
            inner.visit(part.iter)
            inner.visit(part.target)
            inner._visit_all(part.ifs)
        for name in ("key", "value", "elt"):
            if hasattr(node, name):
                inner.visit(getattr(node, name))
        self.names.free += inner.names.free
        self.names.delayed += inner.names.delayed
        self.names.changed |= inner.names.changed - inner.names.stored

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _visit_all(self, nodes: list[ast.AST] | list[ast.stmt] | list[ast.expr]) -> None:
        for node in nodes:
            self.visit(node)


def _around(arguments: ast.arguments) -> list[ast.AST]:
    """Defaults and annotations: evaluated where the function is defined."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    defaults = [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
    return [*defaults, *(a.annotation for a in every if a.annotation is not None)]
