"""Whether a completion was copied: the longest run of tokens that the training text holds too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

BORDER = "\0"


class TrainingText:
    """The training cells' tokens, for searches. No run crosses from one cell to the next.

    Tokens become characters of one string, since Python's search in strings is fast; so at most
    1,114,110 different tokens.
    """

    def __init__(self, cells: Iterable[Sequence[int]]) -> None:
        self.text = BORDER.join(map(as_text, cells))

    def longest_run(self, tokens: Sequence[int]) -> int:
        """Length in tokens of the longest part of `tokens` that stands in one training cell."""
        wanted = as_text(tokens)
        best = 0
        for end in range(1, len(wanted) + 1):
            # Only a run that is longer than the best so far is looked for, and one by one longer.
            if wanted[end - best - 1 : end] in self.text:
                best += 1
        return best

    def copied(self, tokens: Sequence[int]) -> bool:
        """Whether one training cell holds all of the tokens in a row; nothing is no copy."""
        return bool(tokens) and as_text(tokens) in self.text


def as_text(tokens: Sequence[int]) -> str:
    """One character a token; the surrogates, which are no characters, are stepped over."""
    return "".join(chr(t + 1 if t + 1 < 0xD800 else t + 0x801) for t in tokens)
