"""Exercises: the code does to the statement's expression what the statement asks."""

import ast
import builtins
from random import Random

import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from calcgen_ray.corpus import calcbench
from calcgen_ray.corpus.drills import make_pair
from calcgen_ray.corpus.exercises import KINDS, make_exercises, roughen
from calcgen_ray.corpus.families import FAMILIES, Shape
from calcgen_ray.corpus.families.functions import Reject
from calcgen_ray.corpus.families.reserved import is_reserved
from calcgen_ray.corpus.operations import OPERATIONS

CALLS = {
    "derivative": {"diff", "subs"}, "integral": {"integrate"}, "limit": {"limit"},
    "series": {"series", "removeO"}, "extremum": {"solve", "diff"},
    "expression": {"expand", "factor", "cancel", "together", "apart", "simplify", "subs", "solve"},
    "ode": {"dsolve"},
}  # fmt: skip


def exercise(index: int):
    for attempt in range(20):
        try:
            return make_exercises(Random(f"{index}/{attempt}"), Shape())[0]
        except Reject:
            continue
    raise AssertionError("nothing to draw")


def defined(tree: ast.Module) -> set[str]:
    names = set(vars(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@given(st.integers(0, 10**6))
@settings(max_examples=300, deadline=None)
def test_every_name_is_defined_and_the_call_is_of_its_kind(index: int) -> None:
    made = exercise(index)
    tree = ast.parse(made.code)
    loaded = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert loaded <= defined(tree)
    calls = {n.func for n in ast.walk(tree) if isinstance(n, ast.Call)}
    names = {f.attr if isinstance(f, ast.Attribute) else f.id for f in calls}
    assert names & CALLS[made.skeleton.partition(": ")[0]]
    assert (
        "\n" not in made.statement and "{" not in made.statement.replace("_{", "^{").split("^{")[0]
    )


@given(st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_the_statement_holds_the_expression_of_the_code(index: int) -> None:
    made = exercise(index)
    line = next((text for text in made.code.splitlines() if text.startswith("f = ")), None)
    if line is None:  # it stands in the call
        return
    written = {line.removeprefix("f = ").replace("sp.", "")}
    if not written & {"Function('f')"}:
        namespace = {}
        exec(made.code[: made.code.index(line)] + line, namespace)
        written.add(str(sympy.sstr(namespace["f"])))
        written |= {text.replace("**", "^") for text in written}
        written |= {text.replace("log(", "ln(").replace("oo", "infinity") for text in written}
        assert any(text in made.statement for text in written), made


def test_haste_leaves_the_fields_alone() -> None:
    template = "Find the Limit of {f} as {x} tends to {a}."
    found = {roughen(Random(seed), template) for seed in range(60)}
    assert template.lower() in found and template[:-1] in found and len(found) > 5
    assert all(found_field in text for text in found for found_field in ("{f}", "{x}", "{a}"))


def test_all_operations_come_and_none_that_calcbench_asks_for() -> None:
    assert set(KINDS) - set(FAMILIES) == {"equations"}
    assert {family for family, _ in OPERATIONS} == set(KINDS) - {"odes"}
    drills = [drill for index in range(500) for drill in make_pair(7, index, Shape())]
    asked = [d for d in drills if ": " in d.skeleton]
    assert {d.skeleton.partition(": ")[0] for d in asked} == set(KINDS.values())
    assert 0.68 < len(asked) / len(drills) < 0.82
    assert not {d.skeleton for d in drills} & calcbench.skeletons()
    assert not any(is_reserved(d.skeleton) for d in drills)
