"""Short texts that drill what every problem needs: carrying an expression into code.

An expression stands in a comment, in SymPy's or mathematics' notation or in words, and then in the
code that defines it, in SymPy or NumPy; or it is an exercise (exercises.py). Nothing is computed,
so they cost a tenth of a problem. They never hold what calcbench asks about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import Any

import sympy

from calcgen_ray.config import SyntheticConfig
from calcgen_ray.corpus import calcbench
from calcgen_ray.corpus.broad import HIGHS, draw_expression, draw_letter
from calcgen_ray.corpus.deadline import first_in_time
from calcgen_ray.corpus.exercises import make_exercises
from calcgen_ray.corpus.families.functions import draw_function, draw_variable, insist, require
from calcgen_ray.corpus.families.rendering import (
    NOTATIONS,
    STYLES,
    declare,
    numpy_source,
    script,
    source,
    words,
)
from calcgen_ray.corpus.families.reserved import may_train
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.speech import FUNCTIONS, spoken
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.processes import open_pool
from calcgen_ray.corpus.synthetic import RESERVED, shape_of
from calcgen_ray.problem import DIFFICULTIES, RESULT, as_prompt

CHUNK, PAIR = 125, 2
CPU_SECONDS = 1.0
ASKED = 0.75
"""Share of the drills that are exercises."""
HEADS = (
    "{f}", "f({x}) = {f}", "y = {f}", "Let f({x}) = {f}.", "The function {f}.",
    "Write {f} as code.", "Define f({x}) = {f}.", "{f}, a function of {x}.",
)  # fmt: skip
SPOKEN_HEADS = ("{f}", "f is {f}.", "Write {f}.", "Let y be {f}.", "Take {f}.")
LETTERS = "fghypq"


@dataclass(frozen=True, slots=True)
class Drill:
    """A comment, the code below it, and the expression in both with its constants masked.

    That of an exercise begins with its kind, as problems' do.
    """

    statement: str
    code: str
    skeleton: str

    @property
    def text(self) -> str:
        return as_prompt(self.statement) + self.code


def make_pair(seed: int, index: int, shape: Shape) -> list[Drill]:
    """The drills of that key: the same on every machine, whatever was made before.

    Exercises come in pairs about one expression, since drawing it costs most of the time.

    Raises:
        Reject: the shape leaves nothing to draw.
    """
    rng = Random(f"{seed}/drill/{index}")
    if rng.random() < ASKED:
        return insist(lambda: [_unknown(drill) for drill in ask(rng, shape)])
    return [insist(lambda: _unknown(carry(rng, shape))) for _ in range(PAIR)]


def _unknown(drill: Drill) -> Drill:
    """The drill, or Reject for one with an expression that calcbench asks about."""
    require(may_train(drill.skeleton) and drill.skeleton not in calcbench.skeletons())
    return drill


def ask(rng: Random, shape: Shape) -> list[Drill]:
    """Statements that ask for something, and the calls."""
    return [Drill(m.statement, m.code, m.skeleton) for m in make_exercises(rng, shape, PAIR)]


def carry(rng: Random, shape: Shape) -> Drill:
    """An expression alone, carried into code."""
    if rng.random() < 0.4:
        return _carry_any(rng, shape)
    x = draw_variable(rng)
    f = insist(lambda: _spoken_of(rng, x, replace(shape, high=rng.choice(HIGHS))))
    notation = rng.choice((*NOTATIONS, "words", "words"))
    heads = SPOKEN_HEADS if notation == "words" else HEADS
    shown = spoken(f) if notation == "words" else words(f, notation)
    statement = rng.choice(heads).format(f=shown, x=x)
    if rng.random() < 0.25:
        return Drill(statement, _numpy_code(rng, f, x), skeleton(f))
    return Drill(statement, _sympy_code(rng, f), skeleton(f))


def _carry_any(rng: Random, shape: Shape) -> Drill:
    x = draw_letter(rng)
    f = draw_expression(rng, x, shape)
    statement = rng.choice(HEADS).format(f=words(f, rng.choice(NOTATIONS)), x=x)
    return Drill(statement, _sympy_code(rng, f), skeleton(f))


def _sympy_code(rng: Random, f: Any) -> str:
    symbols = sorted(f.free_symbols, key=str)
    name = rng.choice([one for one in LETTERS if sympy.Symbol(one) not in symbols])
    lines = [declare(symbols), f"{name} = {source(f)}", f"{RESULT} = {name}"]
    if rng.random() < 0.5:
        lines[1:] = [f"{RESULT} = {source(f)}"]
    return script(lines, rng.choice(STYLES))


def make_drills(count: int, config: SyntheticConfig, seed: int, processes: int) -> Iterator[Drill]:
    """`count` drills, shaped as problems are; how many processes make them changes nothing."""
    pairs = (count + 1) // PAIR
    chunks = [range(start, min(start + CHUNK, pairs)) for start in range(0, pairs, CHUNK)]
    if not chunks:
        return
    with open_pool(processes, len(chunks)) as pool:
        found = pool.map(_make, chunks, [config] * len(chunks), [seed] * len(chunks))
        yield from islice((drill for drills in found for drill in drills), count)


def _make(indices: range, config: SyntheticConfig, seed: int) -> list[Drill]:
    shape = shape_of(config)
    return [drill for index in indices for drill in _in_time(seed, index, shape)]


def _in_time(seed: int, index: int, shape: Shape) -> list[Drill]:
    """The pair of that index, or of a later one where SymPy does not come back."""

    def make(attempt: int) -> list[Drill]:
        return make_pair(seed, index + attempt * RESERVED, shape)

    return first_in_time(make, CPU_SECONDS, f"drill {index}")


def _spoken_of(rng: Random, x: Any, shape: Shape) -> Any:
    f = draw_function(rng, shape.size(rng, rng.choice(DIFFICULTIES)), shape, [x])
    require(all(part.func.__name__ in FUNCTIONS for part in f.atoms(sympy.Function)))
    return f


def _numpy_code(rng: Random, f: Any, x: Any) -> str:
    low, high = sorted(rng.sample(range(1, 10), 2))
    count = rng.choice((5, 50, 100, 200))
    return (
        f"import numpy as np\n\n{x} = np.linspace({low}, {high}, {count})\n"
        f"{RESULT} = {numpy_source(f)}\nprint({RESULT})\n"
    )
