"""What a family makes: the words, the code and the answer of one problem, before it has a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from calcgen_ray.corpus.families.rendering import NOTATIONS, words
from calcgen_ray.corpus.families.trees import Shape
from calcgen_ray.problem import Difficulty, Expected

Phrasings = Mapping[str, tuple[str, ...]]
"""Wordings by variant of the question; the fields stand in braces, <a|b> is one of a and b."""

DRAWS = 30
CHOICE = re.compile(r"<([^<>]*\|[^<>]*)>")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, before it is put into words: fields that are not text are expressions."""

    variant: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """One problem without words and identity."""

    question: Question
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


def ask(variant: str, **fields: Any) -> Question:
    """A question of that variant."""
    return Question(variant, fields)


def phrase(
    rng: Random,
    phrasings: Phrasings,
    question: Question,
    needed: str = "",
    change: Callable[[Random, str], str] | None = None,
) -> tuple[int, str]:
    """One wording of the question's variant, drawn evenly, with its fields filled in.

    The number counts over all variants. All expressions are written in one notation, drawn anew.

    Args:
        needed: a field that the wording must have; should there be none, any wording serves.
        change: is applied to the wording before its fields are filled in.
    """
    start = 0
    for name, wordings in phrasings.items():
        if name == question.variant:
            break
        start += len(wordings)
    for _ in range(DRAWS):
        number = rng.randrange(len(phrasings[question.variant]))
        template = expand(phrasings[question.variant][number], rng)
        if not needed or f"{{{needed}}}" in template:
            break
    template = change(rng, template) if change else template
    notation = rng.choice(NOTATIONS)
    filled = {
        name: field if isinstance(field, str) else words(field, notation)
        for name, field in question.fields.items()
    }
    return start + number, template.format(**filled)


def expand(template: str, rng: Random) -> str:
    """One sentence of a template: <a|b> is one of its alternatives, the innermost drawn first."""
    while found := CHOICE.search(template):
        chosen = rng.choice(found[1].split("|"))
        template = template[: found.start()] + chosen + template[found.end() :]
    return template
