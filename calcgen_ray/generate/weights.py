"""What the sampling engine is opened from: converted weights, the tokenizer, the room there is."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.generate.convert import ENGINE_FOLDER, to_ctranslate2, vocabulary
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.rows import Prompt, Row, make_row
from calcgen_ray.model.loading import check_folder, load_model_tokenizer


@dataclass(frozen=True, slots=True)
class Weights:
    """A checkpoint, ready for the engine.

    Attributes:
        folder: what `to_ctranslate2` wrote.
        tokenizer: the checkpoint's.
        max_tokens_total: n_positions.
        compute_type: one that this machine has.
        longest_token: characters of the vocabulary's longest entry; 0 where nobody reads prompts.
        scratch: holds `folder` where it was made for this; deleted by `discard`.
    """

    folder: Path
    tokenizer: Any
    max_tokens_total: int
    compute_type: str = "int8"
    longest_token: int = 0
    scratch: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def of(cls, checkpoint: Path, compute_type: str = "auto") -> Weights:
        """Those of a checkpoint folder or registry entry; see `open_engine`."""
        check_folder(checkpoint)
        wanted = _pick_type(compute_type)
        tokenizer, limit = load_model_tokenizer(str(checkpoint)), positions(checkpoint)
        own = checkpoint / ENGINE_FOLDER
        folder, scratch = own, None
        if not (wanted.startswith("int8") and own.is_dir()):
            scratch = tempfile.TemporaryDirectory(prefix="calcgen-engine-")
            folder = Path(scratch.name) / "weights"
            to_ctranslate2(checkpoint, folder, wanted)
        return cls(folder, tokenizer, limit, wanted, max(map(len, vocabulary(folder))), scratch)

    def row(self, prompt: Prompt, params: SamplingParams) -> Row:
        """A prompt as tokens, with the room that there is behind it.

        Raises:
            InputError: there is none, which is told without reading it where its length alone says
                so; or a token is none of the tokenizer's.
        """
        most = self.max_tokens_total * self.longest_token
        if isinstance(prompt, str) and len(prompt) > most:
            raise InputError(
                f"prompt: {len(prompt):,} characters, but the model reads at most "
                f"{self.max_tokens_total} tokens, which hold no more than {most:,}; shorten it"
            )
        return make_row(self.tokenizer, prompt, params, self.max_tokens_total)

    def discard(self) -> None:
        """Deletes what was made for this."""
        if self.scratch is not None:
            self.scratch.cleanup()


def _pick_type(wanted: str) -> str:
    gpu = ctranslate2.get_cuda_device_count() > 0
    chosen = ("float16" if gpu else "int8") if wanted == "auto" else wanted
    has = sorted(ctranslate2.get_supported_compute_types("cuda" if gpu else "cpu"))
    if chosen not in has:
        raise InputError(f"compute_type: got {wanted!r}; this machine has auto, {', '.join(has)}")
    return chosen


def positions(folder: Path) -> int:
    """How many tokens the model of a checkpoint reads at most.

    Raises:
        CheckpointError: its config.json does not say.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    told = config if isinstance(config, dict) else {}
    limit = told.get("n_positions") or told.get("max_position_embeddings")
    if not isinstance(limit, int) or limit < 2:
        raise CheckpointError(f"{folder / 'config.json'}: n_positions: got {limit!r}")
    return limit
