"""Log probabilities of tokens, as OpenAI's `logprobs` has them: of the model, before sampling."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Protocol

from calcgen_ray.generate.streaming import REPLACEMENT
from calcgen_ray.model.tokenizer import decode


class ScoringEngine(Protocol):
    @property
    def tokenizer(self) -> Any: ...

    def log_probs(self, ids: Sequence[int]) -> Any: ...


def scored(
    engine: ScoringEngine, prompt_ids: Sequence[int], ids: Sequence[int], top: int, *, echo: bool
) -> dict[str, Any]:
    """`tokens`, `token_logprobs`, `top_logprobs` and `text_offset` of a completion's tokens.

    Args:
        top: how many of the likeliest tokens stand beside each; 0 for none.
        echo: the prompt's tokens come first; the very first has no probability.
    """
    whole = [*prompt_ids, *ids]
    table = engine.log_probs(whole) if len(whole) > 1 else None
    begin = 0 if echo else len(prompt_ids)
    tokens = _texts(engine.tokenizer, whole[begin:])
    values, tops = [], []
    for place in range(begin, len(whole)):
        line = table[place - 1] if table is not None and place else None
        values.append(None if line is None else float(line[whole[place]]))
        tops.append(None if line is None or not top else _likeliest(engine, line, top))
    offsets = list(accumulate(map(len, tokens), initial=0))[: len(tokens)]
    return {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops if top else None,
            "text_offset": offsets}  # fmt: skip


def mean(engine: ScoringEngine, prompt_ids: Sequence[int], ids: Sequence[int]) -> float:
    """The mean log probability of a completion's tokens, by which best_of ranks."""
    if not ids:
        return float("-inf")
    table = engine.log_probs([*prompt_ids, *ids])
    first = len(prompt_ids)
    return sum(float(table[first + k - 1][token]) for k, token in enumerate(ids)) / len(ids)


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


def _likeliest(engine: ScoringEngine, line: Any, top: int) -> dict[str, float]:
    import numpy as np

    places = np.argpartition(-line, top)[:top]
    ranked = sorted(map(int, places), key=lambda i: (-float(line[i]), i))
    size = len(engine.tokenizer)
    return {decode(engine.tokenizer, [i]): float(line[i]) for i in ranked if i < size}
