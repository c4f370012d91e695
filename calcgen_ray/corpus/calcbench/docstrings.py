"""The benchmark's problems from SymPy's docstrings, with the results that are printed there.

An example serves when its call is one of those below, without options, on expressions of plain
symbols and well-known functions, and when the printed result reads back as the value itself.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import sympy
from sympy import oo

from calcgen_ray.corpus.calcbench.examples import examples
from calcgen_ray.corpus.families import FAMILIES
from calcgen_ray.corpus.families.drafts import Draft, ask, phrase
from calcgen_ray.corpus.families.rendering import declare, source, text
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.judge.verdict.forms import is_shorter
from calcgen_ray.problem import Difficulty, Expected, Kind, Problem

SPECIAL = (
    sympy.erf, sympy.erfc, sympy.gamma, sympy.Si, sympy.Ci, sympy.Shi, sympy.Chi, sympy.Ei,
    sympy.besselj, sympy.airyai, sympy.zeta, sympy.polygamma, sympy.LambertW, sympy.factorial,
    sympy.bessely, sympy.besseli, sympy.besselk, sympy.airybi, sympy.airyaiprime, sympy.airybiprime,
    sympy.erfi, sympy.erf2, sympy.li, sympy.digamma, sympy.trigamma, sympy.beta, sympy.expint,
    sympy.polylog, sympy.binomial, sympy.sign,
    sympy.loggamma, sympy.fresnels, sympy.fresnelc, sympy.lowergamma, sympy.uppergamma,
)  # fmt: skip
ELEMENTARY = (
    sympy.exp, sympy.log, sympy.Abs, sympy.functions.elementary.trigonometric.TrigonometricFunction,
    sympy.functions.elementary.hyperbolic.HyperbolicFunction,
    sympy.functions.elementary.trigonometric.InverseTrigonometricFunction,
    sympy.functions.elementary.hyperbolic.InverseHyperbolicFunction,
)  # fmt: skip
UNFIT = (sympy.Integral, sympy.Derivative, sympy.Limit, sympy.Sum, sympy.Piecewise, sympy.Subs,
         sympy.RootSum, sympy.Lambda, sympy.AccumBounds, sympy.nan)  # fmt: skip


EQUATIONS = {"solve": ("Solve {f} = 0 for {x}.", "Find every {x} with {f} = 0.")}
"""Wordings of a question that no family asks."""

LARGE = 1000
"""Exponents from here on are examples of speed and no problems."""


class Unfit(Exception):
    """An example that makes no problem."""


def from_docstrings() -> Iterator[Problem]:
    """Every example that serves, once, in the order of the modules."""
    seen: set[str] = set()
    for document, call, values, printed in examples():
        try:
            name, draft = _draft(call, *values)
        except Unfit:
            continue
        if draft.expected.value in printed or _same(draft, printed):
            key = f"{name} {draft.skeleton} {draft.expected}"
            if key not in seen:
                seen.add(key)
                yield _problem(name, draft, document, len(seen) - 1)


def _same(draft: Draft, printed: str) -> bool:
    try:
        found = sympy.sympify(printed)
        wanted = sympy.sympify(draft.expected.value)
        if draft.expected.kind is Kind.SOLUTION_SET:
            found, wanted = sympy.FiniteSet(*found), sympy.FiniteSet(*wanted)
        return bool(found == wanted)
    except Exception:
        return False


def _problem(family: str, draft: Draft, document: str, number: int) -> Problem:
    rng, phrasings = Random(f"{document}/{number}"), {**FAMILIES[family].phrasings, **EQUATIONS}
    _, statement = phrase(rng, phrasings, draft.question)
    return Problem(
        id=f"calcbench/docstring/{number:03}",
        family=family,
        difficulty=_difficulty(draft),
        phrasing=f"docstring/{document}",
        statement=statement,
        code=draft.code,
        expected=draft.expected,
        skeleton=draft.skeleton,
    )


def _difficulty(draft: Draft) -> Difficulty:
    size = draft.skeleton.count("(")
    return "easy" if size <= 2 else "medium" if size <= 6 else "hard"


def _draft(call: str, f: Any = None, *args: Any) -> tuple[str, Draft]:
    """The problem of a call, with the family that it belongs to."""
    if call == "dsolve":
        return "odes", _ode(f)
    _require(isinstance(f, sympy.Expr) and not f.is_Matrix and _plain(f) and f.free_symbols)
    make: Callable[..., tuple[str, Draft]] = {
        "diff": _derivative, "integrate": _integral, "limit": _limit, "series": _series,
        "subs": _substituted, "solve": _solved,
    }.get(call, lambda f, *args: _rewritten(call, f, *args))  # fmt: skip
    return make(f, *args)


def _require(fit: Any) -> None:
    if not fit:
        raise Unfit


def _plain(*values: Any) -> bool:
    """Whether all is made of plain symbols and of functions that are known by name."""
    return all(
        isinstance(value, sympy.Basic)
        and not value.has(*UNFIT)
        and all(s == sympy.Symbol(s.name) and s.name.isidentifier() for s in value.free_symbols)
        and all(isinstance(f, (*ELEMENTARY, *SPECIAL)) for f in value.atoms(sympy.Function))
        for value in values
    )


def _small(value: Any) -> bool:
    return all(abs(power) < LARGE for power in (p.exp for p in value.atoms(sympy.Pow))
               if power.is_Integer)  # fmt: skip


def _variable(f: Any, args: tuple[Any, ...]) -> Any:
    free = sorted(f.free_symbols, key=str)
    x = args[0] if args else free[0] if len(free) == 1 else None
    _require(isinstance(x, sympy.Symbol) and x in free)
    return x


def _symbols(*values: Any) -> list[Any]:
    return sorted({s for value in values for s in value.free_symbols}, key=str)


def _finish(
    name: str, question: Any, calls: tuple[str, ...], f: Any, kind: Kind, value: Any,
    given: dict[str, str], *others: Any,
) -> tuple[str, Draft]:  # fmt: skip
    # SymPy's answer to its own question is no task when it is the question.
    _require(_small(f) and value != f and len(text(value)) <= 240 and len(text(f)) <= 200)
    code = _code(_symbols(f, *others), f, calls[0])
    form = {"derivatives": "derivative", "integrals": "integral", "definite_integrals": "integral",
            "limits": "limit", "series": "series", "expressions": "expression"}[name]  # fmt: skip
    expected = Expected(kind, text(value), given)
    return name, Draft(question, code, expected, f"{form}: {skeleton(f)}")


def _code(symbols: list[Any], f: Any, call: str) -> str:
    """A script with bare names, each imported."""
    lines = [
        declare(symbols),
        f"f = {source(f)}",
        f"result = {call.format(f='f')}",
        "print(result)",
    ]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        raise Unfit from None
    used = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {"f", "result", "print", *(str(symbol) for symbol in symbols)}
    names = [name for name in dict.fromkeys(used) if name not in own]
    _require(all(hasattr(sympy, name) for name in names))
    _require(not any(str(s) == "f" or hasattr(sympy.functions, str(s)) for s in symbols))
    return f"from sympy import {', '.join(names)}\n\n" + "\n".join(lines) + "\n"


NTH = {2: ("second", "twice"), 3: ("third", "three times"), 4: ("fourth", "four times")}


def _derivative(f: Any, *args: Any) -> tuple[str, Draft]:
    x = _variable(f, args)
    args = (x, len(args)) if len(args) > 1 and set(args) == {x} else args
    _require(len(args) <= 1 or (len(args) == 2 and args[1] in NTH))
    order = int(args[1]) if len(args) == 2 else 1
    value = sympy.diff(f, x, order)
    _require(_plain(value) and value != 0)
    given = {"function": text(f), "variable": str(x), "order": str(order)}
    others = sorted(f.free_symbols - {x}, key=str)
    if order > 1:
        nth, times = NTH[order]
        question = ask("higher", f=f, x=x, n=str(order), nth=nth, times=times)
    elif len(others) == 1:
        question = ask("partial", f=f, by=str(x), x=str(others[0]), y=str(x))
    else:
        question = ask("first", f=f, x=x)
    call = f"diff({{f}}, {x}, {order})" if order > 1 else f"diff({{f}}, {x})"
    return _finish("derivatives", question, (call,), f, Kind.EXPRESSION, value, given)


def _integral(f: Any, *args: Any) -> tuple[str, Draft]:
    _require(len(args) <= 1)
    limits = args[0] if args and isinstance(args[0], (tuple, sympy.Tuple)) else None
    if limits is None:
        x = _variable(f, args)
        value = sympy.integrate(f, x)
        _require(_plain(value))
        given = {"integrand": text(f), "variable": str(x)}
        question = ask("indefinite", f=f, x=x)
        return _finish("integrals", question, (f"integrate({{f}}, {x})",), f,
                       Kind.ANTIDERIVATIVE, value, given)  # fmt: skip
    _require(len(limits) == 3)
    x, low, high = (sympy.sympify(part) for part in limits)
    _require(x.is_Symbol and x not in low.free_symbols | high.free_symbols and _plain(low, high))
    value = sympy.integrate(f, (x, low, high))
    _require(_plain(value) and low.is_finite is not False)
    variant = "improper" if high == oo else "proper"
    given = {"integrand": text(f), "variable": str(x), "low": text(low), "high": text(high)}
    question = ask(variant, f=f, x=x, a=low, b=high)
    call = f"integrate({{f}}, ({x}, {text(low)}, {text(high)}))"
    ends = (low, high)
    return _finish("definite_integrals", question, (call,), f, Kind.EXPRESSION, value, given, *ends)


def _limit(f: Any, *args: Any) -> tuple[str, Draft]:
    _require(len(args) in (2, 3))
    x, a, side = args[0], sympy.sympify(args[1]), args[2] if len(args) == 3 else "+"
    value = sympy.limit(f, x, a, side)
    _require(not value.free_symbols - f.free_symbols and _plain(value) and f.free_symbols == {x})
    variant = "infinity" if a.is_infinite else "side"
    name = {"+": "right", "-": "left"}.get(str(side), "")
    _require(name or variant == "infinity")
    question = ask(variant, f=f, x=x, a=a, side=name)
    given = {"function": text(f), "variable": str(x), "point": text(a),
             "direction": "+-" if variant == "infinity" else str(side)}  # fmt: skip
    more = "" if variant == "infinity" else f", '{side}'"
    call = f"limit({{f}}, {x}, {text(a)}{more})"
    return _finish("limits", question, (call,), f, Kind.LIMIT, value, given)


def _series(f: Any, *args: Any) -> tuple[str, Draft]:
    x = _variable(f, args[:1])
    a, n = (sympy.sympify(args[1]) if len(args) > 1 else sympy.Integer(0)), 6
    _require(len(args) <= 3 and a.is_finite and a.is_number)
    n = int(args[2]) if len(args) == 3 else n
    value = sympy.series(f, x, a, n)
    _require(_plain(value.removeO()) and value.getO() is not None)
    question = ask("taylor" if a else "maclaurin", f=f, x=x, n=str(n), a=str(a), m=str(n - 1))
    given = {"function": text(f), "variable": str(x), "point": text(a), "order": str(n)}
    call = f"series({{f}}, {x}, {a}, {n})"
    return _finish("series", question, (call,), f, Kind.SERIES, value, given)


def _substituted(f: Any, *args: Any) -> tuple[str, Draft]:
    """A number or another expression in the place of the variable."""
    _require(len(args) == 2)
    x, a = args[0], sympy.sympify(args[1])
    _require(isinstance(x, sympy.Symbol) and f.has(x) and f != x and _plain(a))
    value = f.subs(x, a)
    _require(_plain(value) and value.is_finite is not False)
    operation = "compose" if a.free_symbols else "substitute"
    given = {"function": text(f), "variable": str(x), "operation": operation}
    question = ask(operation, f=f, x=x, **{"g" if a.free_symbols else "a": a})
    call = f"{{f}}.subs({x}, {text(a)})"
    return _finish("expressions", question, (call,), f, Kind.EXPRESSION, value, given, x, a)


def _solved(f: Any, *args: Any) -> tuple[str, Draft]:
    """The roots of an expression."""
    x = _variable(f, args)
    found = sympy.solve(f, x)
    _require(not f.has(sympy.functions.elementary.trigonometric.TrigonometricFunction))
    _require(len(args) <= 1 and isinstance(found, list) and found and _plain(*found))
    given = {"function": text(f), "variable": str(x)}
    value = sympy.FiniteSet(*found)
    question = ask("solve", f=f, x=x)
    return _finish("expressions", question, (f"solve({{f}}, {x})",), f, Kind.SOLUTION_SET, value,
                   given)  # fmt: skip


def _rewritten(call: str, f: Any, *args: Any) -> tuple[str, Draft]:
    x = _variable(f, args) if args or call == "apart" else sorted(f.free_symbols, key=str)[0]
    value = getattr(sympy, call)(f, *args)
    _require(len(args) <= 1 and isinstance(value, sympy.Expr) and _plain(value))
    operation = "simplify" if call.endswith("simp") else call
    question = ask(operation, f=f, x=x)
    given = {"function": text(f), "variable": str(x), "operation": operation}
    written = f"{call}({{f}}, {x})" if call == "apart" else f"{operation}({{f}})"
    _require(operation == call or sympy.simplify(f) == value)
    _require(operation != "simplify" or is_shorter(value, f))
    return _finish("expressions", question, (written,), f, Kind.EXPRESSION, value, given)


def _ode(equation: Any) -> Draft:
    """An equation for f(x) alone, without initial values."""
    eq = equation if isinstance(equation, sympy.Eq) else sympy.Eq(equation, 0, evaluate=False)
    unknowns = list(eq.atoms(sympy.core.function.AppliedUndef))
    _require(isinstance(equation, sympy.Basic) and len(unknowns) == 1)
    y = unknowns[0]
    _require(len(y.args) == 1 and y.args[0].is_Symbol and eq.free_symbols == {y.args[0]})
    x, name = y.args[0], y.func.__name__
    solved = sympy.dsolve(eq, y)
    _require(isinstance(solved, sympy.Eq) and solved.lhs == y and not solved.rhs.has(*UNFIT, y))
    left, right = (_primed(part, y, x) for part in (eq.lhs, eq.rhs))
    _require("Derivative" not in left + right)
    given = {"equation": text(eq), "function": name, "variable": str(x)}
    question = ask("general", eq=f"{left} = {right}", y=name, x=str(x))
    canonical = (eq.lhs - eq.rhs).subs(y, sympy.Function("f")(x)).doit()
    expected = Expected(Kind.ODE, text(solved), given)
    return Draft(question, _ode_code(eq, y, x), expected, f"ode: {skeleton(canonical)}")


def _ode_code(eq: Any, y: Any, x: Any) -> str:
    known = {type(f).__name__ for f in eq.atoms(sympy.Function) if isinstance(f, ELEMENTARY)}
    names = ["symbols", "Function", "Eq", "Derivative", "dsolve", *sorted(known)]
    return (
        f"from sympy import {', '.join(names)}\n\n"
        f"{x} = symbols('{x}')\n"
        f"{y.func.__name__} = Function('{y.func.__name__}')\n"
        f"result = dsolve(Eq({text(eq.lhs)}, {text(eq.rhs)}), {y})\n"
        "print(result)\n"
    )


def _primed(part: Any, y: Any, x: Any) -> str:
    name = y.func.__name__
    written = text(part).replace(f"Derivative({y}, {x})", f"{name}'({x})")
    return written.replace(f"Derivative({y}, ({x}, 2))", f"{name}''({x})")
