"""A completion in the making: what goes into the model, how far it may go, what comes out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from calcgen_ray.errors import InputError
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.stops import cut
from calcgen_ray.model.tokenizer import decode, encode
from calcgen_ray.problem import Completion

MAX_BATCH_TOKENS = 16_384
"""Rows times their longest length, of one batch: bounds the key-value cache (2.7 GB at 350 M)."""


Prompt = str | tuple[int, ...]
"""A text, or its tokens."""


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt as tokens (never none), and how many may follow."""

    prompt: str
    prompt_ids: tuple[int, ...]
    limit: int


def make_row(tokenizer: Any, prompt: Prompt, params: SamplingParams, max_tokens_total: int) -> Row:
    """Encodes a prompt; an empty one starts from end-of-text, as a new document does.

    Raises:
        InputError: prompt and one new token are more than `max_tokens_total`, or a token is not
            one of the tokenizer's.
    """
    whole = encode(tokenizer, prompt) if isinstance(prompt, str) else prompt
    ids = tuple(whole) or (tokenizer.eos_token_id,)
    room = max_tokens_total - len(ids)
    if room < 1:
        raise InputError(
            f"prompt: {len(ids)} tokens, but the model reads at most {max_tokens_total} and needs "
            "room for one more; shorten the prompt"
        )
    strange = next((token for token in ids if not 0 <= token < len(tokenizer)), None)
    if strange is not None:
        raise InputError(f"prompt: token {strange}; allowed: 0 to {len(tokenizer) - 1}")
    text = prompt if isinstance(prompt, str) else decode(tokenizer, list(prompt))
    return Row(text, ids, min(params.max_tokens, room))


def finish(tokenizer: Any, row: Row, new_ids: Sequence[int], params: SamplingParams) -> Completion:
    """The completion of a row.

    Args:
        new_ids: what was generated, without end-of-text; fewer than `row.limit` means that the
            model or a stop string ended it.
    """
    ids = list(new_ids[: row.limit])
    text, stopped = cut(decode(tokenizer, ids), params.stop)
    return Completion(
        prompt=row.prompt,
        text=text,
        finish_reason="stop" if stopped or len(ids) < row.limit else "length",
        prompt_tokens=len(row.prompt_ids),
        completion_tokens=len(ids),
        seed=params.seed,
    )


def batches(rows: Sequence[Row]) -> Iterator[list[int]]:
    """Indices of rows that share a batch: of like length, one-token prompts apart."""
    batch: list[int] = []
    longest = 0
    for i in sorted(range(len(rows)), key=lambda i: (len(rows[i].prompt_ids), i)):
        size = len(rows[i].prompt_ids)
        longest = max(longest, size + rows[i].limit)
        alone = bool(batch) and (size > 1) != (len(rows[batch[0]].prompt_ids) > 1)
        if batch and (alone or (len(batch) + 1) * longest > MAX_BATCH_TOKENS):
            yield batch
            batch, longest = [], size + rows[i].limit
        batch.append(i)
    if batch:
        yield batch


def stream_seed(*parts: int, bits: int = 63) -> int:
    """One seed out of several integers of any size: equal parts, equal seed."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> (64 - bits)
