"""Stop strings: seen as soon as their last token is there, cut away exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calcgen_ray.model.tokenizer import decode

_SPLIT_CHARACTER = 3
"""Most bytes of a character that the tokens before the window may have taken."""


def cut(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    places = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)


class StopWatch:
    """Tells whether newly generated tokens end in, or hold, a stop string.

    A token is at least one byte, so a stop string of L bytes that ends in the newest token lies
    within the last L tokens: only those are decoded at each step.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self.tokenizer, self.stops = tokenizer, tuple(stops)
        longest = max((len(stop.encode("utf-8", "replace")) for stop in stops), default=0)
        self.window = longest + _SPLIT_CHARACTER

    def hit(self, ids: Sequence[int]) -> bool:
        """True if the newest of `ids` completes a stop string."""
        if not self.stops or not self._holds(ids[-self.window :]):
            return False
        return self._holds(ids)  # a window may begin within a character

    def _holds(self, ids: Sequence[int]) -> bool:
        return cut(decode(self.tokenizer, list(ids)), self.stops)[1]
