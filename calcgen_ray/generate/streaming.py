"""Text that grows token by token: never half a character, never the beginning of a stop string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calcgen_ray.generate.stops import cut
from calcgen_ray.model.tokenizer import decode

REPLACEMENT = "�"
"""What bytes that are no whole character decode to."""


class GrowingText:
    """What may be shown of a completion so far.

    The pieces that `add` and `end` return, joined, are the text of the whole completion, cut before
    its first stop string.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str] = ()) -> None:
        self._tokenizer, self._stops = tokenizer, tuple(stops)
        self.ids: list[int] = []
        self._shown = 0
        self.stopped = False

    def add(self, token: int) -> str:
        """The text that is certain after one more token."""
        if self.stopped:
            return ""
        self.ids.append(token)
        text, self.stopped = cut(decode(self._tokenizer, self.ids), self._stops)
        if self.stopped:
            return self._show(text, len(text))
        return self._show(text, self._certain(text))

    def end(self) -> str:
        """What was held back, now that nothing follows."""
        if self.stopped:
            return ""
        text, self.stopped = cut(decode(self._tokenizer, self.ids), self._stops)
        return self._show(text, len(text))

    def _certain(self, text: str) -> int:
        """How much of a text can no longer change, nor be cut away."""
        end = len(text)
        while end and text[end - 1] == REPLACEMENT:
            end -= 1
        held = (
            size
            for stop in self._stops
            for size in range(min(len(stop) - 1, end), 0, -1)
            if text[:end].endswith(stop[:size])
        )
        return end - max(held, default=0)

    def _show(self, text: str, end: int) -> str:
        piece = text[self._shown : end]
        self._shown = max(self._shown, end)
        return piece
