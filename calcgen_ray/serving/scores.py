"""Log probabilities of tokens, as OpenAI's `logprobs` has them: of the model, before sampling."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from calcgen_ray.generate.batching import Batching
from calcgen_ray.generate.scoring import Scores
from calcgen_ray.generate.streaming import REPLACEMENT
from calcgen_ray.model.tokenizer import decode

MOST_PENDING = 8
"""Tokens that are decoded together while they make no whole character."""


def scored(
    batcher: Batching, prompt_ids: Sequence[int], ids: Sequence[int], top: int, *, echo: bool
) -> dict[str, Any]:
    """`tokens`, `token_logprobs`, `top_logprobs` and `text_offset` of a completion's tokens.

    Args:
        top: how many of the likeliest tokens stand beside each; 0 for none.
        echo: the prompt's tokens come first; the very first has no probability.
    """
    whole = [*prompt_ids, *ids]
    found = batcher.scores(whole, top) if len(whole) > 1 else Scores([], [])
    begin = 0 if echo else len(prompt_ids)
    tokens = [*(_texts(batcher.tokenizer, prompt_ids) if echo else ()),
              *_texts(batcher.tokenizer, ids)]  # fmt: skip
    values = [None, *found.values][begin:]
    tops = [None, *(_named(batcher.tokenizer, pairs) for pairs in found.tops)][begin:]
    offsets = list(accumulate(map(len, tokens), initial=0))[: len(tokens)]
    return {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops if top else None,
            "text_offset": offsets}  # fmt: skip


def within(found: dict[str, Any], length: int) -> dict[str, Any]:
    """The same without the tokens that begin after `length` characters, where a stop string was."""
    if sum(map(len, found["tokens"])) <= length:
        return found
    count = bisect_left(found["text_offset"], length)
    return {name: of_tokens and of_tokens[:count] for name, of_tokens in found.items()}


def mean(batcher: Batching, prompt_ids: Sequence[int], ids: Sequence[int]) -> float:
    """The mean log probability of a completion's tokens, by which best_of ranks."""
    if not ids:
        return float("-inf")
    found = batcher.scores([*prompt_ids, *ids], 0)
    return sum(found.values[len(prompt_ids) - 1 :]) / len(ids)


def _texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The tokens' texts, which joined are the whole. A character of several tokens is the last
    one's; so each token is decoded with those only whose characters are not whole yet."""
    texts, begin = [""] * len(ids), 0
    for end in range(1, len(ids) + 1):
        pending = list(ids[begin:end])
        text = decode(tokenizer, pending)
        if text.endswith(REPLACEMENT) and end < len(ids):
            if len(pending) < MOST_PENDING:
                continue
            end -= _unfinished(tokenizer, pending, text)
        texts[end - 1] = decode(tokenizer, list(ids[begin:end]))
        begin = end
    return texts


def _unfinished(tokenizer: Any, ids: list[int], text: str) -> int:
    """How many tokens at the end may be a character's first bytes, of which it has four at most:
    what is before them will not be one any more."""
    for count in (3, 2, 1):
        if decode(tokenizer, ids[:-count]) + decode(tokenizer, ids[-count:]) == text:
            return count
    return 0


def _named(tokenizer: Any, pairs: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Likely tokens by their texts, without the padding of the vocabulary."""
    return {decode(tokenizer, [i]): value for i, value in pairs if i < len(tokenizer)}
