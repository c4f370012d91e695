"""The benchmark's problems from the synthetic families: in trained wordings, and in new ones.

Their expressions are of the reserved skeletons, which no training problem has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from calcgen_ray.corpus.calcbench.wordings import WORDINGS
from calcgen_ray.corpus.families import FAMILIES, Shape
from calcgen_ray.corpus.families.reserved import is_reserved
from calcgen_ray.corpus.synthetic import draw_problem
from calcgen_ray.errors import DataError
from calcgen_ray.problem import DIFFICULTIES, Difficulty, Problem

SEED = 552_001
EACH = 20
"""Problems of a family and difficulty."""

CPU_SECONDS = 60.0
"""One skeleton in eight is drawn for: a slow family needs its time."""


def generated(family: str, difficulty: Difficulty) -> Iterator[Problem]:
    """Twenty problems with distinct statements and distinct answers."""
    seen: set[str] = set()
    index = count = 0
    while count < EACH:
        problem = draw_problem(
            (family, difficulty, index), SEED, Shape(), CPU_SECONDS, wanted=is_reserved
        )
        index += 1
        key = f"{problem.skeleton} {problem.expected.value}"
        if key not in seen and problem.statement not in seen:
            seen |= {key, problem.statement}
            yield replace(problem, id=f"calcbench/{family}/{difficulty}/{count:02}")
            count += 1


def reworded(family: str) -> Iterator[Problem]:
    """One problem for each wording of `WORDINGS`, easy and medium ones where there are any."""
    templates = [(v, text) for v, texts in WORDINGS[family].items() for text in texts]
    for number, (variant, template) in enumerate(templates):
        problem = _reworded(family, variant, template, number)
        yield replace(
            problem,
            id=f"calcbench/{family}/wording/{number:02}",
            phrasing=f"{family}/unseen-{number:02}",
        )


def _reworded(family: str, variant: str, template: str, number: int) -> Problem:
    levels = [level for level in _levels(number) if _asks(family, level, variant)]
    for level in levels:
        try:
            return draw_problem(
                (family, level, number), SEED + 1, Shape(), CPU_SECONDS,
                wanted=is_reserved, phrasings={variant: (template,)},
            )  # fmt: skip
        except DataError:
            continue
    raise DataError(f"no problem of {family} asks for {variant}")


def _levels(number: int) -> tuple[Difficulty, ...]:
    """Easy first for every other wording, medium first for the rest; hard last."""
    easy, medium, hard = DIFFICULTIES
    return (easy, medium, hard) if number % 2 == 0 else (medium, easy, hard)


def _asks(family: str, level: Difficulty, variant: str) -> bool:
    """Whether that variant turns up among a few problems of the level."""
    wordings = FAMILIES[family].phrasings
    first = sum(len(wordings[name]) for name in list(wordings)[: list(wordings).index(variant)])
    numbers = range(first, first + len(wordings[variant]))
    for index in range(60):
        problem = draw_problem((family, level, index), SEED + 2, Shape())
        if int(problem.phrasing.partition("/")[2]) in numbers:
            return True
    return False
