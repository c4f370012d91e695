"""What serving needs of whatever gathers requests into batches, here or in another process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.job import Sink, Ticket
from calcgen_ray.generate.rows import Prompt, Row
from calcgen_ray.generate.scoring import Scores


class Batching(Protocol):
    """One model for many requests at a time. All of it may be called from any thread."""

    @property
    def tokenizer(self) -> Any: ...

    @property
    def max_tokens_total(self) -> int:
        """Tokens of prompt and completion together: the model's n_positions."""
        ...

    @property
    def pid(self) -> int:
        """The process that computes."""
        ...

    @property
    def waiting(self) -> int:
        """Rows that have not begun."""
        ...

    @property
    def running(self) -> int:
        """Rows that have begun, and are not over."""
        ...

    @property
    def batch_size(self) -> int:
        """Rows that the engine computes together now."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        ...

    def row(self, prompt: Prompt, params: SamplingParams) -> Row:
        """A prompt as tokens, with the room that there is behind it.

        Raises:
            InputError: there is none.
        """
        ...

    def submit(
        self, prompts: Sequence[Row], params: SamplingParams, sink: Sink, *, every: bool = True
    ) -> Ticket:
        """Takes a request; `sink` hears of row i * n + k for sample k of prompt i.

        Args:
            every: else only a row's first token and its end are told, which costs less.

        Raises:
            InputError: it was closed.
        """
        ...

    def scores(self, ids: Sequence[int], top: int) -> Scores:
        """Of a text's tokens, two or more; see scoring.py."""
        ...

    def close(self) -> None:
        """Ends what runs with its next token, what waits at once, and frees the model."""
        ...
