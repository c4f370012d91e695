"""An engine without a model, for tests: instant, and the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from calcgen_ray.errors import InputError
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.rows import stream_seed
from calcgen_ray.generate.stops import cut
from calcgen_ray.problem import Completion

_WORDS = ("x", "result", " = ", "diff(", "integrate(", ", x)", "sin(x)", "**2", "\n", "print(")


class FakeEngine:
    """Counts each character as a token.

    Args:
        replies: whole answers by prompt; any other prompt gets words that the prompt, and at a
            temperature above 0 the seed, decide.
        max_tokens_total: prompt and answer together, in characters.
    """

    def __init__(self, replies: Mapping[str, str] | None = None, max_tokens_total: int = 512):
        self._replies, self._max_tokens_total = dict(replies or {}), max_tokens_total
        self._open = True

    @property
    def max_tokens_total(self) -> int:
        return self._max_tokens_total

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        if not self._open:
            raise InputError("the engine was closed; open it again")
        return [
            [self._complete(prompt, params, i, k) for k in range(params.n)]
            for i, prompt in enumerate(prompts)
        ]

    def close(self) -> None:
        self._open = False

    def _complete(self, prompt: str, params: SamplingParams, i: int, k: int) -> Completion:
        size = max(1, len(prompt))
        limit = min(params.max_tokens, self._max_tokens_total - size)
        if limit < 1:
            raise InputError(
                f"prompt: {size} tokens, but the model reads at most {self._max_tokens_total} and "
                "needs room for one more; shorten the prompt"
            )
        whole = self._replies.get(prompt)
        if whole is None:
            whole = self._words(prompt, params, i, k)
        text, stopped = cut(whole[:limit], params.stop)
        ended = stopped or len(whole) < limit
        return Completion(prompt, text, "stop" if ended else "length", size, len(text), params.seed)

    def _words(self, prompt: str, params: SamplingParams, i: int, k: int) -> str:
        key = [] if params.greedy else [random.getrandbits(64)]
        if params.seed is not None and not params.greedy:
            key = [stream_seed(params.seed, i, k)]
        draw = random.Random(f"{prompt}/{key}")
        return "".join(draw.choices(_WORDS, k=self._max_tokens_total))
