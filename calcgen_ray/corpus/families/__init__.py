"""Synthetic calculus problems, ten families, made from a seed and nothing else.

Each problem is keyed by (seed, family, difficulty, index), so that any of them can be made alone,
in any process, with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from random import Random
from types import MappingProxyType
from typing import Any

from calcgen_ray.corpus.families import (
    definite_integrals,
    derivatives,
    expressions,
    extrema,
    integrals,
    limits,
    numerics,
    odes,
    plots,
    series,
)
from calcgen_ray.corpus.families.drafts import Draft, Family, Phrasings, phrase
from calcgen_ray.corpus.families.reserved import may_train
from calcgen_ray.corpus.families.skeletons import skeleton
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.errors import ConfigError, DataError
from calcgen_ray.problem import DIFFICULTIES, Difficulty, Problem

__all__ = ["FAMILIES", "Family", "Shape", "generate", "make_problem", "make_problems", "skeleton"]

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        module.FAMILY.name: module.FAMILY
        for module in (
            derivatives, integrals, definite_integrals, limits, series,
            odes, extrema, expressions, numerics, plots,
        )
    }
)  # fmt: skip
ATTEMPTS = 20
"""Forms tried before a problem is given up; each form is drawn up to 200 times."""
RARE = 20
"""Times as many where the wanted skeletons are few."""

DEFAULT = Shape()


def make_problem(
    family: str,
    difficulty: Difficulty,
    seed: int,
    index: int,
    shape: Shape = DEFAULT,
    **kind: Any,
) -> Problem:
    """The problem of that key: the same on every machine, whatever was made before.

    `kind` and what is raised are those of `make_problems`.
    """
    return make_problems(family, difficulty, seed, index, shape, **kind)[0]


def make_problems(
    family: str,
    difficulty: Difficulty,
    seed: int,
    index: int,
    shape: Shape = DEFAULT,
    *,
    wanted: Callable[[str], bool] = may_train,
    phrasings: Phrasings | None = None,
    wordings: int = 1,
) -> list[Problem]:
    """The problem of that key in so many wordings: all are one problem with one code.

    Args:
        wanted: of a skeleton, whether to take it; those that training may hold when left out.
        phrasings: other wordings than the family's own, in all or some of its variants.

    Raises ConfigError for an unknown family or difficulty, DataError when the shape leaves so
    little to draw that no good problem was found.
    """
    if family not in FAMILIES:
        raise ConfigError(f"family {family!r} is unknown: give one of {', '.join(FAMILIES)}")
    if difficulty not in DIFFICULTIES:
        raise ConfigError(f"difficulty {difficulty!r} is unknown: give {', '.join(DIFFICULTIES)}")
    rng = Random(f"{seed}/{family}/{difficulty}/{index}")
    spoken = FAMILIES[family].phrasings if phrasings is None else phrasings
    draft = _draw(rng, family, difficulty, shape, wanted, spoken)
    if draft is None:
        raise DataError(
            f"no {difficulty} problem of {family} in {ATTEMPTS} tries (seed {seed}, index "
            f"{index}): the shape leaves too little to draw, widen its operators or weights"
        )
    key = f"{family}-{difficulty}-{seed}-{index}"
    return [
        _problem(key if number == 0 else f"{key}-{number}", family, difficulty, draft,
                 phrase(rng, spoken, draft.question))
        for number in range(wordings)
    ]  # fmt: skip


def _problem(
    key: str, family: str, difficulty: Difficulty, draft: Draft, worded: tuple[int, str]
) -> Problem:
    number, statement = worded
    return Problem(
        id=key,
        family=family,
        difficulty=difficulty,
        phrasing=f"{family}/{number}",
        statement=statement,
        code=draft.code,
        expected=draft.expected,
        skeleton=draft.skeleton,
    )


def _draw(
    rng: Random,
    family: str,
    level: Difficulty,
    shape: Shape,
    wanted: Callable[[str], bool],
    spoken: Phrasings,
) -> Draft | None:
    """A draft with a skeleton that is wanted, or None after many tries."""
    for _ in range(ATTEMPTS * (1 if wanted is may_train else RARE)):
        try:
            draft = FAMILIES[family].draw(rng, level, shape)
        except Exception:  # a Reject, or whatever SymPy's algorithms raise, PolynomialError say
            continue
        if wanted(draft.skeleton) and draft.question.variant in spoken:
            return draft
    return None


def generate(
    count_: int,
    seed: int,
    families: Sequence[str] = tuple(FAMILIES),
    shape: Shape = DEFAULT,
) -> Iterator[Problem]:
    """`count_` problems, round robin over families, then difficulties, then indices."""
    keys = (
        (family, difficulty, index)
        for index in count()
        for difficulty in DIFFICULTIES
        for family in families
    )
    for family, difficulty, index in islice(keys, count_):
        yield make_problem(family, difficulty, seed, index, shape)
