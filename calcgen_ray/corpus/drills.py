"""Short texts that drill what every problem needs: carrying an expression into code.

An expression stands in a comment, in SymPy's or mathematics' notation or in words, and then in the
code that defines it, in SymPy or NumPy; or it is an exercise (exercises.py). Nothing is computed,
so they cost a thirtieth of a problem. They never hold what calcbench asks about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import sympy

from calcgen_ray.config import SyntheticConfig
from calcgen_ray.corpus import calcbench
from calcgen_ray.corpus.deadline import first_in_time
from calcgen_ray.corpus.exercises import HIGHS, make_exercise
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

CHUNK = 250
CPU_SECONDS = 1.0
ASKED = 0.6
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


def make_drill(seed: int, index: int, shape: Shape) -> Drill:
    """The drill of that key: the same on every machine, whatever was made before.

    Raises:
        Reject: the shape leaves nothing to draw.
    """
    rng = Random(f"{seed}/drill/{index}")
    draw = ask if rng.random() < ASKED else carry
    return insist(lambda: _unknown(draw(rng, shape)))


def _unknown(drill: Drill) -> Drill:
    """The drill, or Reject for one with an expression that calcbench asks about."""
    require(may_train(drill.skeleton) and drill.skeleton not in calcbench.skeletons())
    return drill


def ask(rng: Random, shape: Shape) -> Drill:
    """A statement that asks for something, and the call."""
    made = make_exercise(rng, shape)
    return Drill(made.statement, made.code, made.skeleton)


def carry(rng: Random, shape: Shape) -> Drill:
    """An expression alone, carried into code."""
    x = draw_variable(rng)
    f = insist(lambda: _spoken_of(rng, x, replace(shape, high=rng.choice(HIGHS))))
    notation = rng.choice((*NOTATIONS, "words"))
    heads = SPOKEN_HEADS if notation == "words" else HEADS
    shown = spoken(f) if notation == "words" else words(f, notation)
    statement = rng.choice(heads).format(f=shown, x=x)
    if rng.random() < 0.25:
        return Drill(statement, _numpy_code(rng, f, x), skeleton(f))
    name = rng.choice(LETTERS.replace(str(x), ""))
    lines = [declare([x]), f"{name} = {source(f)}", f"{RESULT} = {name}"]
    if rng.random() < 0.5:
        lines[1:] = [f"{RESULT} = {source(f)}"]
    return Drill(statement, script(lines, rng.choice(STYLES)), skeleton(f))


def make_drills(count: int, config: SyntheticConfig, seed: int, processes: int) -> Iterator[Drill]:
    """`count` drills, shaped as problems are; how many processes make them changes nothing."""
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    if not chunks:
        return
    with open_pool(processes, len(chunks)) as pool:
        for drills in pool.map(_make, chunks, [config] * len(chunks), [seed] * len(chunks)):
            yield from drills


def _make(indices: range, config: SyntheticConfig, seed: int) -> list[Drill]:
    shape = shape_of(config)
    return [_in_time(seed, index, shape) for index in indices]


def _in_time(seed: int, index: int, shape: Shape) -> Drill:
    """The drill of that index, or of a later one where SymPy does not come back."""

    def make(attempt: int) -> Drill:
        return make_drill(seed, index + attempt * RESERVED, shape)

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
