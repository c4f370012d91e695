"""Problems beyond what training shows: new compositions of functions, and deeper expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from calcgen_ray.corpus.families import Shape
from calcgen_ray.corpus.families.reserved import has_kept_composition, is_reserved
from calcgen_ray.corpus.synthetic import draw_problem
from calcgen_ray.errors import DataError
from calcgen_ray.problem import Problem

SEED = 552_003
EACH = 20
"""Problems of a family and group."""
COMPOSED = ("derivatives", "limits", "series", "expressions", "numerics", "plots")
DEEPER = ("derivatives", "expressions", "numerics", "plots")
LARGE = Shape(operators={"easy": (7, 8), "medium": (8, 9), "hard": (9, 11)})
"""Training's problems have at most six operators."""
CPU_SECONDS = 60.0


def compositions(family: str) -> Iterator[Problem]:
    """Twenty problems each with a composition that no training text has."""
    return _drawn(family, "composition", Shape(), has_kept_composition)


def deeper(family: str) -> Iterator[Problem]:
    """Twenty problems with seven operators and more."""
    return _drawn(family, "deeper", LARGE, is_reserved)


def _drawn(
    family: str, group: str, shape: Shape, wanted: Callable[[str], bool]
) -> Iterator[Problem]:
    seen: set[str] = set()
    index = 0
    while len(seen) < EACH:
        level = ("easy", "medium", "hard")[index % 3]
        index += 1
        try:
            problem = draw_problem((family, level, index), SEED, shape, CPU_SECONDS, wanted=wanted)
        except DataError:  # none in so many tries at this level
            continue
        if problem.skeleton not in seen:
            yield replace(problem, id=f"generalisation/{family}/{group}/{len(seen):02}")
            seen.add(problem.skeleton)
