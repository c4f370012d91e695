"""The reference engine: transformers' own forward pass, one prompt after another, unpadded.

Slow, and plain enough to be believed. Contract tests hold the other engines against it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from calcgen_ray import runtime
from calcgen_ray.errors import InputError
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.quiet import quiet
from calcgen_ray.generate.rows import Row, finish, make_row, stream_seed
from calcgen_ray.generate.stops import StopWatch
from calcgen_ray.model.loading import check_folder, load_model, load_model_tokenizer
from calcgen_ray.problem import Completion

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class PaddedRows(LogitsProcessor):
    """Rules out the rows that fill a vocabulary up to a round size: no text belongs to them."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def __call__(self, input_ids: Any, scores: torch.Tensor) -> torch.Tensor:
        scores[..., self.tokens :] = -torch.inf
        return scores


class TransformersEngine:
    """Samples with a key-value cache; each (prompt, sample) has a random stream of its own."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model.eval(), tokenizer
        config = model.config
        limit = getattr(config, "n_positions", None) or config.max_position_embeddings
        self._max_tokens_total = int(limit)

    @classmethod
    def open(cls, folder: Path, compute_type: str = "auto", threads: int = 1) -> TransformersEngine:
        """As `open_engine`. `threads` is set for torch in the whole process."""
        check_folder(folder)
        gpu = torch.cuda.is_available()
        wanted = ("float16" if gpu else "float32") if compute_type == "auto" else compute_type
        if wanted not in _DTYPES:
            allowed = ", ".join(["auto", *_DTYPES])
            raise InputError(
                f"compute_type: got {compute_type!r}; the transformers engine has {allowed}"
            )
        runtime.set_threads(threads)
        with quiet():
            model = load_model(str(folder)).to("cuda" if gpu else "cpu", _DTYPES[wanted])
            return cls(model, load_model_tokenizer(str(folder)))

    @property
    def max_tokens_total(self) -> int:
        return self._max_tokens_total

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        if self._model is None:
            raise InputError("the engine was closed; open it again")
        rows = [make_row(self._tokenizer, p, params, self.max_tokens_total) for p in prompts]
        return [self._complete(i, row, params) for i, row in enumerate(rows)]

    def close(self) -> None:
        self._model = None

    def _complete(self, i: int, row: Row, params: SamplingParams) -> list[Completion]:
        samples = 1 if params.greedy else params.n
        streams = [self._stream(params.seed, i, k) for k in range(samples)]
        texts = self._sample(row, params, streams)
        made = [finish(self._tokenizer, row, ids, params) for ids in texts]
        return made * params.n if params.greedy else made

    def _stream(self, seed: int | None, prompt: int, sample: int) -> torch.Generator:
        number = (
            int.from_bytes(os.urandom(7)) if seed is None else stream_seed(seed, prompt, sample)
        )
        return torch.Generator().manual_seed(number)

    @torch.inference_mode()
    def _sample(
        self, row: Row, params: SamplingParams, streams: list[torch.Generator]
    ) -> list[list[int]]:
        """New token ids of each stream, without end-of-text."""
        model, end = self._model, self._tokenizer.eos_token_id
        processors, watch = self._processors(params), StopWatch(self._tokenizer, params.stop)
        made: list[list[int]] = [[] for _ in streams]
        going = set(range(len(streams)))
        inputs = torch.tensor([row.prompt_ids] * len(streams), device=model.device)  # (n, T)
        so_far = inputs
        cache = None
        for _ in range(row.limit):
            out = model(inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = out.past_key_values
            scores = processors(so_far, out.logits[:, -1].float()).cpu()  # (n, V)
            chosen = [_pick(scores[k], params, stream) for k, stream in enumerate(streams)]
            for k in list(going):
                if chosen[k] != end:
                    made[k].append(chosen[k])
                if chosen[k] == end or watch.hit(made[k]):
                    going.discard(k)
            if not going:
                break
            inputs = torch.tensor(chosen, device=model.device)[:, None]
            so_far = torch.cat([so_far, inputs], dim=1)
        return made

    def _processors(self, params: SamplingParams) -> LogitsProcessorList:
        chosen: list[LogitsProcessor] = [PaddedRows(len(self._tokenizer))]
        if params.repetition_penalty != 1:
            chosen.append(RepetitionPenaltyLogitsProcessor(float(params.repetition_penalty)))
        if not params.greedy:
            chosen.append(TemperatureLogitsWarper(float(params.temperature)))
            if params.top_k:
                chosen.append(TopKLogitsWarper(params.top_k))
            if params.top_p < 1:
                chosen.append(TopPLogitsWarper(float(params.top_p)))
        return LogitsProcessorList(chosen)


def _pick(scores: torch.Tensor, params: SamplingParams, stream: torch.Generator) -> int:
    if params.greedy:
        return int(scores.argmax())
    return int(torch.multinomial(scores.softmax(-1), 1, generator=stream))
