"""Drills that ask for something: a statement in words and the call that answers it, never made.

Nothing is computed, so an exercise costs a tenth of a problem and its expressions may be any
(broad.py). Whether SymPy finds an answer does not matter; that the call is the right one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from sympy import Basic, Expr, Symbol

from calcgen_ray.corpus.broad import draw_expression, draw_letter
from calcgen_ray.corpus.equations import draw_equation
from calcgen_ray.corpus.families import FAMILIES, Shape
from calcgen_ray.corpus.families.drafts import Phrasings, Question, ask, phrase
from calcgen_ray.corpus.families.functions import insist
from calcgen_ray.corpus.families.rendering import STYLES, declare, script, solution, source
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.variety import templates, varied
from calcgen_ray.corpus.operations import OPERATIONS, Call, Operation, partial

KINDS = {
    "derivatives": "derivative", "integrals": "integral", "definite_integrals": "integral",
    "limits": "limit", "series": "series", "extrema": "extremum", "expressions": "expression",
    "equations": "expression", "odes": "ode",
}  # fmt: skip
PARTIAL = 18
"""Weight of partial derivatives among the operations, where there are several letters."""
DIFFERENTIAL = 0.08
"""Share of the exercises that ask for the solutions of a differential equation."""
ROUGH = 0.1
"""Share of the statements without capitals, without a full stop, or without a small word."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A statement, the code below it, and the skeleton as problems have it, with its kind."""

    statement: str
    code: str
    skeleton: str


def make_exercises(rng: Random, shape: Shape, count: int = 1) -> list[Exercise]:
    """Draws an expression, which costs most of the time, and asks for `count` things of it.

    Raises:
        Reject: the shape leaves nothing to draw.
    """
    if rng.random() < DIFFERENTIAL:
        made = insist(lambda: draw_equation(rng, shape))
        said = [_said(rng, _wordings("odes"), made.question) for _ in range(count)]
        return [Exercise(statement, made.code, f"ode: {made.skeleton}") for statement in said]
    x = draw_letter(rng)
    f = draw_expression(rng, x, shape)
    weights = {**OPERATIONS, ("derivatives", partial): PARTIAL * (len(f.free_symbols) > 1)}
    chosen = rng.choices(list(weights), list(weights.values()), k=count)
    return [_exercise(rng, f, x, family, operation) for family, operation in chosen]


def _exercise(rng: Random, f: Expr, x: Symbol, family: str, operation: Operation) -> Exercise:
    call = operation(rng, f, x)
    symbols = _symbols(f, x, call)
    question = ask(call.variant, **{"f": f, "x": x, **call.fields})
    letter = "by" if "by" in call.fields else "x" if len(symbols) > 1 else ""
    statement = _said(rng, _wordings(family), question, letter)
    form = skeleton((f, call.fields["g"]) if "g" in call.fields else f)
    return Exercise(statement, _code(rng, symbols, f, call), f"{KINDS[family]}: {form}")


def _wordings(family: str) -> Phrasings:
    return varied(FAMILIES[family]) if family in FAMILIES else templates(family)


def _said(rng: Random, wordings: Phrasings, question: Question, needed: str = "") -> str:
    """The question in words that name the field `needed`, so that one reading is left."""
    return phrase(rng, wordings, question, needed, roughen if rng.random() < ROUGH else None)[1]


def roughen(rng: Random, template: str) -> str:
    """A template as it is typed in haste: what stands in its fields is not touched."""
    way = rng.randrange(3)
    if way == 0:
        return template.lower()
    if way == 1:
        return template.rstrip(".!")
    parts = template.split(" ")
    small = [place for place, part in enumerate(parts) if part.isalpha() and len(part) <= 3]
    if small:
        del parts[rng.choice(small)]
    return " ".join(parts)


def _symbols(f: Expr, x: Symbol, call: Call) -> list[Symbol]:
    """All letters of f and of the fields, in the order of the alphabet."""
    parts = [f, x, *(field for field in call.fields.values() if isinstance(field, Basic))]
    return sorted({s for part in parts for s in part.free_symbols}, key=str)


def _code(rng: Random, symbols: list[Symbol], f: Expr, call: Call) -> str:
    chosen = rng.choice(call.calls)
    if not chosen.endswith(", g)") and "g)," not in chosen:
        return solution(rng, symbols, f, [chosen])
    lines = [declare(symbols), f"f = {source(f)}", f"g = {source(call.fields['g'])}"]
    return script([*lines, f"result = {chosen.format(f='f')}"], rng.choice(STYLES))
