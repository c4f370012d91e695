"""Log probabilities of a text's tokens, and the likeliest ones beside each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Scores:
    """Of each token but the first, in turn.

    Attributes:
        values: natural log probability of the token, of the model, before sampling.
        tops: (token, log probability) of the likeliest in its place, likeliest first.
    """

    values: list[float]
    tops: list[list[tuple[int, float]]]


def scores(table: Any, ids: Sequence[int], top: int) -> Scores:
    """Those of T tokens.

    Args:
        table: (T, V), log probabilities of the token after each.
        top: how many of the likeliest to name; 0 for none.
    """
    after = ids[1:]
    values = [float(table[place][token]) for place, token in enumerate(after)]
    return Scores(values, [_likeliest(table[k], top) for k in range(len(after))] if top else [])


def _likeliest(line: Any, top: int) -> list[tuple[int, float]]:
    import numpy as np

    places = map(int, np.argpartition(-line, top)[:top])
    return sorted(((i, float(line[i])) for i in places), key=lambda pair: (-pair[1], pair[0]))
