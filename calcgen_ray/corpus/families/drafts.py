"""What a family makes: the words, the code and the answer of one problem, before it has a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from calcgen_ray.corpus.families.rendering import NOTATIONS, words
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.problem import Difficulty, Expected

Phrasings = Mapping[str, tuple[str, ...]]
"""Wordings by variant of the question; the fields stand in braces."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One problem without identity. `phrasing` counts over all variants of its family."""

    phrasing: int
    statement: str
    code: str
    expected: Expected
    skeleton: str


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of problem. `draw` raises Reject when a draw is no good problem."""

    name: str
    phrasings: Phrasings
    draw: Callable[[Random, Difficulty, Shape], Draft]

    def __len__(self) -> int:
        """The number of wordings."""
        return sum(len(wordings) for wordings in self.phrasings.values())


def phrase(rng: Random, phrasings: Phrasings, variant: str, **fields: Any) -> tuple[int, str]:
    """One wording of a variant, drawn evenly, with its number and its fields filled in.

    Fields that are not text are expressions; all are written in one notation, drawn anew.
    """
    start = 0
    for name, wordings in phrasings.items():
        if name == variant:
            break
        start += len(wordings)
    number = rng.randrange(len(phrasings[variant]))
    notation = rng.choice(NOTATIONS)
    filled = {
        name: field if isinstance(field, str) else words(field, notation)
        for name, field in fields.items()
    }
    return start + number, phrasings[variant][number].format(**filled)
