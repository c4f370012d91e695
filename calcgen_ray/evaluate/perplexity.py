"""Perplexity of a checkpoint on a corpus's validation cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calcgen_ray import runtime
from calcgen_ray.corpus.tokens import tokenise
from calcgen_ray.errors import DataError
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.model.packed import PackedLM
from calcgen_ray.model.scoring import score_cells


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One checkpoint's row. `perplexity` is weighted by tokens, in float32, a cell a row."""

    name: str
    perplexity: float
    tokens: int
    cells: int


def evaluate(name: str, model: str, corpus: Path, max_cell_tokens: int = 512) -> Evaluation:
    """Scores every validation cell, cut to `max_cell_tokens`.

    Args:
        name: how the row is called.
        model: a checkpoint folder, a hub id or `embedded`.

    Raises:
        DataError: the corpus has no validation cells.
    """
    tokens = tokenise(corpus, "valid", load_model_tokenizer(model))
    cells = [tokens[i][:max_cell_tokens].tolist() for i in range(len(tokens))]
    if not cells:
        raise DataError(f"{corpus}: no validation cells; set corpus.valid_fraction above 0")
    runtime.set_threads(runtime.cpu_count())
    score = score_cells(PackedLM(load_model(model)), cells)
    return Evaluation(name, score.perplexity, score.tokens, len(cells))
