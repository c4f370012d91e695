"""The sampling engine: CTranslate2, int8 on a CPU, some fourteen times faster than `generate`.

Its traps (CTranslate2 4.8.5, all measured) and what is done about each:

- A batch that holds a one-token prompt returns the tails of the other prompts as output: one-token
  prompts form batches of their own.
- `sampling_topk` is 1 unless it is set, which is greedy at any temperature: it is always set.
- `num_hypotheses` returns samples sorted by score, so that the first is no fair draw: a prompt
  stands in the batch n times instead.
- `set_random_seed` reaches only threads that have not sampled yet: a seeded call runs on a fresh
  generator (some 4 ms for 5 M parameters at int8), whose one thread draws its seed at once, under a
  lock. Its texts depend on seed, prompts and settings, and on nothing else that is served.
- There is no length guard: each row is cut to the model's positions.
- A generator that has called back and is alive at interpreter exit aborts the process: it is
  dropped by `close`, or at exit.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ctranslate2

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.generate.convert import vocabulary
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.rows import Prompt, Row, batches, finish, make_row, stream_seed
from calcgen_ray.generate.stops import StopWatch
from calcgen_ray.generate.weights import Weights
from calcgen_ray.problem import Completion

_SEEDING = threading.Lock()
"""CTranslate2's seed is one per process."""


class CTranslate2Engine:
    """One model, one worker thread.

    Args:
        weights: discarded on `close`.
        threads: CPU threads of one matrix product.
    """

    def __init__(self, weights: Weights, threads: int = 1) -> None:
        self._weights, self._threads = weights, threads
        self._tokenizer = weights.tokenizer
        self._tokens = vocabulary(weights.folder)
        self._padded = [[token] for token in self._tokens[len(self._tokenizer) :]]
        self._loaded = [self._load(int.from_bytes(os.urandom(4)))]
        self._finalizer = weakref.finalize(self, self._loaded.clear)

    @classmethod
    def open(cls, folder: Path, compute_type: str = "auto", threads: int = 1) -> CTranslate2Engine:
        """As `open_engine`."""
        return cls(Weights.of(folder, compute_type), threads)

    @property
    def max_tokens_total(self) -> int:
        return self._weights.max_tokens_total

    def generate(self, prompts: Sequence[str], params: SamplingParams) -> list[list[Completion]]:
        rows = [make_row(self._tokenizer, p, params, self.max_tokens_total) for p in prompts]
        copies = 1 if params.greedy else params.n
        many = [row for row in rows for _ in range(copies)]
        made: dict[int, list[int]] = {}
        with self._generator(params) as generator:
            for batch in batches(many):
                made |= self._run(generator, {i: many[i] for i in batch}, params)
        done = [finish(self._tokenizer, row, made[i], params) for i, row in enumerate(many)]
        groups = [done[i : i + copies] for i in range(0, len(done), copies)]
        return [group * params.n for group in groups] if params.greedy else groups

    @property
    def tokenizer(self) -> Any:
        return self._tokenizer

    def row(self, prompt: Prompt, params: SamplingParams) -> Row:
        """As `Weights.row`."""
        return self._weights.row(prompt, params)

    def advance(
        self,
        rows: Sequence[Sequence[int]],
        steps: int,
        params: SamplingParams,
        hear: Callable[[int, int | None], bool],
    ) -> None:
        """At most `steps` new tokens for each row, which goes on from its ids; for one thread.

        Rows with the same seed, settings and companions get the same tokens.

        Args:
            hear: called with a row's place and each new token as it is made, None where the model
                ends the row; True ends it, too.
        """
        end = self._tokenizer.eos_token_id

        def callback(step: Any) -> bool:
            return hear(step.batch_id, None if step.token_id == end else step.token_id)

        with self._generator(params) as generator:
            generator.generate_batch(
                [[self._tokens[i] for i in row] for row in rows],
                max_length=steps,
                include_prompt_in_result=False,
                suppress_sequences=self._padded or None,
                repetition_penalty=params.repetition_penalty,
                callback=callback,
                **_sampling(params, len(self._tokens)),
            )

    def log_probs(self, ids: Sequence[int]) -> Any:
        """NumPy (T, V) float32: natural log probabilities of the token after each of T."""
        import numpy as np

        found = self._loaded[0].forward_batch([list(ids)], return_log_probs=True)
        return np.array(found)[0]

    def close(self) -> None:
        self._finalizer()
        self._weights.discard()

    def _run(
        self, generator: Any, rows: dict[int, Row], params: SamplingParams
    ) -> dict[int, list[int]]:
        """New token ids of each row, without end-of-text; some may be longer than their limit."""
        results = generator.generate_batch(
            [[self._tokens[i] for i in row.prompt_ids] for row in rows.values()],
            max_length=max(row.limit for row in rows.values()),
            include_prompt_in_result=False,
            suppress_sequences=self._padded or None,
            repetition_penalty=params.repetition_penalty,
            callback=self._callback(len(rows), params.stop) if params.stop else None,
            **_sampling(params, len(self._tokens)),
        )
        return {i: list(r.sequences_ids[0]) for i, r in zip(rows, results, strict=True)}

    def _callback(self, rows: int, stops: tuple[str, ...]) -> Any:
        watch, made = StopWatch(self._tokenizer, stops), [list[int]() for _ in range(rows)]

        def ends(step: Any) -> bool:
            made[step.batch_id].append(step.token_id)
            return watch.hit(made[step.batch_id])

        return ends

    @contextmanager
    def _generator(self, params: SamplingParams) -> Iterator[Any]:
        if not self._loaded:
            raise InputError("the engine was closed; open it again")
        if params.seed is None or params.greedy:
            yield self._loaded[0]
            return
        fresh = [self._load(stream_seed(params.seed, bits=32))]
        try:
            yield fresh[0]
        finally:
            fresh.clear()

    def _load(self, seed: int) -> Any:
        """A generator whose thread samples from `seed`, 0 to 2**32 - 1."""
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        with _SEEDING:
            try:
                generator = ctranslate2.Generator(
                    str(self._weights.folder),
                    device=device,
                    compute_type=self._weights.compute_type,
                    inter_threads=1,
                    intra_threads=self._threads,
                )
            except (RuntimeError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise CheckpointError(
                    f"{self._weights.folder}: does not load: {reason[:200]}"
                ) from None
            ctranslate2.set_random_seed(seed)
            generator.generate_batch([self._tokens[:2]], max_length=1, sampling_topk=0)
            ctranslate2.set_random_seed(int.from_bytes(os.urandom(4)))
        return generator


LEAST_TOP_P = 1e-6
"""Of any p below it one token is left; what is 0 in float32 the engine refuses."""


def _sampling(params: SamplingParams, vocabulary: int) -> dict[str, Any]:
    if params.greedy:
        return {"sampling_topk": 1}
    return {
        "sampling_topk": min(params.top_k, vocabulary),
        "sampling_topp": max(params.top_p, LEAST_TOP_P),
        "sampling_temperature": params.temperature,
    }
