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
    its first stop string. A token is decoded behind the few before it, not behind all: some
    tokenizers decode one differently at the beginning of a text.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str] = ()) -> None:
        self._tokenizer, self._stops = tokenizer, tuple(stops)
        self._longest = max(map(len, self._stops), default=0)
        self._before: list[int] = []  # tokens of the last whole characters
        self._new: list[int] = []  # those after them
        self._text = ""
        self._shown = 0
        self.stopped = False

    def add(self, token: int) -> str:
        """The text that is certain after one more token."""
        if self.stopped:
            return ""
        self._new.append(token)
        text = self._decoded()
        if text.endswith(REPLACEMENT):  # perhaps half a character
            return self._grow(text, whole=False)
        self._before, self._new = self._new, []
        return self._grow(text, whole=True)

    def end(self) -> str:
        """What was held back, now that nothing follows."""
        if self.stopped:
            return ""
        self._text += self._decoded() if self._new else ""
        self._new = []
        return self._show(self._cut(0))

    def _decoded(self) -> str:
        """The text of the new tokens."""
        whole = decode(self._tokenizer, [*self._before, *self._new])
        return whole[len(decode(self._tokenizer, self._before)) :]

    def _grow(self, text: str, *, whole: bool) -> str:
        known = len(self._text)
        self._text += text
        end = self._cut(known)
        piece = self._show(end if self.stopped else self._certain())
        if not whole and not self.stopped:
            self._text = self._text[:known]
        return piece

    def _cut(self, known: int) -> int:
        """Where the text ends: before a stop string that is not wholly in its first `known`."""
        begin = max(0, known - self._longest + 1)
        rest, self.stopped = cut(self._text[begin:], self._stops)
        return begin + len(rest)

    def _certain(self) -> int:
        """How much of the text can no longer change, nor be cut away."""
        text = self._text
        end = len(text)
        while end and text[end - 1] == REPLACEMENT:
            end -= 1
        held = (
            size
            for stop in self._stops
            for size in range(min(len(stop) - 1, end), 0, -1)
            if text.endswith(stop[:size], 0, end)
        )
        return end - max(held, default=0)

    def _show(self, end: int) -> str:
        piece = self._text[self._shown : end]
        self._shown = max(self._shown, end)
        return piece
