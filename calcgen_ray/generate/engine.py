"""What every engine can do, how a completion is asked for, and opening an engine by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from calcgen_ray.errors import InputError
from calcgen_ray.problem import Completion

EngineName = Literal["ctranslate2", "transformers"]

GREEDY_BELOW = 1e-5
"""Temperatures under this are greedy: dividing logits by them would overflow. As in vLLM."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How completions are drawn: temperature first, then the top_k, then the top_p nucleus.

    Args:
        max_tokens: longest completion, in tokens; cut to what the model has room for.
        temperature: 0 is greedy.
        top_p: smallest set of tokens whose probabilities sum to it; 1 keeps all.
        top_k: most likely tokens that are kept; 0 keeps all.
        n: completions per prompt; greedy ones are all equal.
        stop: the text ends before the first of these.
        repetition_penalty: above 1 makes tokens that came already less likely, below 1 more.
        seed: same seed, prompts and settings on the same engine, same texts.

    Raises:
        InputError: a value out of range.
    """

    max_tokens: int = 128
    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    n: int = 1
    stop: tuple[str, ...] = ()
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        checks = {
            "max_tokens": (self.max_tokens >= 1, "at least 1"),
            "temperature": (0 <= self.temperature < math.inf, "a number from 0"),
            "top_p": (0 < self.top_p <= 1, "above 0, at most 1"),
            "top_k": (self.top_k >= 0, "at least 0; 0 keeps all tokens"),
            "n": (self.n >= 1, "at least 1"),
            "repetition_penalty": (0.1 <= self.repetition_penalty <= 10, "0.1 to 10"),
            "stop": (
                isinstance(self.stop, tuple) and all(self.stop),
                "a tuple of strings, none ''",
            ),
        }
        for name, (good, allowed) in checks.items():
            if not good:
                raise InputError(f"{name}: got {getattr(self, name)!r}; allowed: {allowed}")

    @property
    def greedy(self) -> bool:
        return self.temperature < GREEDY_BELOW


class Engine(Protocol):
    """A model that completes prompts. `generate` may be called from several threads.

    A completion's text leaves out the prompt, is cut before a stop string and ends at end-of-text.
    """

    @property
    def max_tokens_total(self) -> int:
        """Tokens of prompt and completion together: the model's n_positions."""
        ...

    def generate(
        self, prompts: Sequence[str], params: SamplingParams
    ) -> list[list[Completion]]:  # fmt: skip
        """`params.n` completions for each prompt.

        Raises:
            InputError: a prompt leaves no room for a new token.
        """
        ...

    def close(self) -> None:
        """Frees the model; the engine cannot be used after."""
        ...


def open_engine(
    folder: Path, name: EngineName = "ctranslate2", compute_type: str = "auto", threads: int = 1
) -> Engine:
    """The engine of a checkpoint folder or registry entry.

    Args:
        compute_type: auto is int8 (ctranslate2) or float32 (transformers) on a CPU, float16 on a
            GPU. A registry entry's own int8 weights are used where they fit; else the checkpoint is
            converted into a temporary folder, which takes a moment.
        threads: CPU threads of one matrix product.

    Raises:
        CheckpointError: the folder is no checkpoint, or is damaged.
        InputError: this machine cannot compute in that type.
    """
    if name == "ctranslate2":
        from calcgen_ray.generate.ctranslate2_engine import CTranslate2Engine

        return CTranslate2Engine.open(folder, compute_type, threads)
    if name == "transformers":
        from calcgen_ray.generate.transformers_engine import TransformersEngine

        return TransformersEngine.open(folder, compute_type, threads)
    raise InputError(f"engine: got {name!r}; allowed: ctranslate2, transformers")
