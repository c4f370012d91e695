"""Short texts that drill what every problem needs: carrying an expression into code.

An expression stands in a comment, in SymPy's or mathematics' notation or in words, and then in the
code that defines it, in SymPy or NumPy. Nothing is computed, so they cost a hundredth of a problem.
Like problems they never hold an expression that is kept for calcbench.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any

from calcgen_ray.config import SyntheticConfig
from calcgen_ray.corpus.families.functions import Reject, draw_function, draw_variable, insist
from calcgen_ray.corpus.families.rendering import (
    NOTATIONS,
    STYLES,
    declare,
    numpy_source,
    script,
    source,
    words,
)
from calcgen_ray.corpus.families.reserved import is_reserved
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.speech import spoken
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.corpus.synthetic import shape_of
from calcgen_ray.problem import DIFFICULTIES, RESULT, as_prompt

CHUNK = 250
HEADS = (
    "{f}", "f({x}) = {f}", "y = {f}", "Let f({x}) = {f}.", "The function {f}.",
    "Write {f} as code.", "Define f({x}) = {f}.", "{f}, a function of {x}.",
)  # fmt: skip
SPOKEN_HEADS = ("{f}", "f is {f}.", "Write {f}.", "Let y be {f}.", "Take {f}.")
LETTERS = "fghypq"


@dataclass(frozen=True, slots=True)
class Drill:
    """A comment, the code below it, and the expression in both with its constants masked."""

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
    x = draw_variable(rng)
    f = insist(lambda: _unreserved(rng, x, shape))
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
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(chunks)), context) as pool:
        for drills in pool.map(_make, chunks, [config] * len(chunks), [seed] * len(chunks)):
            yield from drills


def _make(indices: range, config: SyntheticConfig, seed: int) -> list[Drill]:
    shape = shape_of(config)
    return [make_drill(seed, index, shape) for index in indices]


def _unreserved(rng: Random, x: Any, shape: Shape) -> Any:
    f = draw_function(rng, shape.size(rng, rng.choice(DIFFICULTIES)), shape, [x])
    if is_reserved(skeleton(f)):
        raise Reject
    return f


def _numpy_code(rng: Random, f: Any, x: Any) -> str:
    low, high = sorted(rng.sample(range(1, 10), 2))
    count = rng.choice((5, 50, 100, 200))
    return (
        f"import numpy as np\n\n{x} = np.linspace({low}, {high}, {count})\n"
        f"{RESULT} = {numpy_source(f)}\nprint({RESULT})\n"
    )
