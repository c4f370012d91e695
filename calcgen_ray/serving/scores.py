"""Log probabilities of tokens, as OpenAI's `logprobs` has them: of the model, before sampling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from calcgen_ray.generate.batching import Batching
from calcgen_ray.generate.scoring import Scores
from calcgen_ray.generate.streaming import REPLACEMENT
from calcgen_ray.model.tokenizer import decode


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
    tokens = _texts(batcher.tokenizer, whole[begin:])
    values = [None, *found.values][begin:]
    tops = [None, *(_named(batcher.tokenizer, pairs) for pairs in found.tops)][begin:]
    offsets = list(accumulate(map(len, tokens), initial=0))[: len(tokens)]
    return {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops if top else None,
            "text_offset": offsets}  # fmt: skip


def mean(batcher: Batching, prompt_ids: Sequence[int], ids: Sequence[int]) -> float:
    """The mean log probability of a completion's tokens, by which best_of ranks."""
    if not ids:
        return float("-inf")
    found = batcher.scores([*prompt_ids, *ids], 0)
    return sum(found.values[len(prompt_ids) - 1 :]) / len(ids)


def _texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """The tokens' texts, which joined are the whole. A character of several tokens is the last
    one's; so each token is decoded with those only whose characters are not whole yet."""
    texts: list[str] = []
    begin = 0
    for end in range(1, len(ids) + 1):
        text = decode(tokenizer, list(ids[begin:end]))
        if text.endswith(REPLACEMENT) and end < len(ids):
            texts.append("")
        else:
            texts.append(text)
            begin = end
    return texts


def _named(tokenizer: Any, pairs: Sequence[tuple[int, float]]) -> dict[str, float]:
    """Likely tokens by their texts, without the padding of the vocabulary."""
    return {decode(tokenizer, [i]): value for i, value in pairs if i < len(tokenizer)}
