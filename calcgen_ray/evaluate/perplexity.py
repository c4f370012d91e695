"""Perplexity of a checkpoint on a corpus's held-out cells, over all and by their source."""

from __future__ import annotations

from pathlib import Path

from calcgen_ray import runtime
from calcgen_ray.corpus import store
from calcgen_ray.corpus.tokens import tokenise
from calcgen_ray.errors import DataError
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.model.packed import PackedLM
from calcgen_ray.model.scoring import Score, score_cells

ALL = "all"


def measure(model: str, corpus: Path, max_cell_tokens: int = 512) -> dict[str, Score]:
    """Scores every held-out cell, cut to `max_cell_tokens`, in float32, a cell a row.

    Those are the cells of `store.measured_split`.

    Returns:
        The score of each source's cells (docstring, synthetic, notebook, ...) and of all of them.

    Args:
        model: a checkpoint folder, a hub id or `embedded`.

    Raises:
        DataError: the corpus holds no cell out.
    """
    split = store.measured_split(corpus)
    tokens = tokenise(corpus, split, load_model_tokenizer(model))
    if not len(tokens):
        raise DataError(f"{corpus}: no held-out cells; set corpus.valid_fraction above 0")
    cells: dict[str, list[list[int]]] = {}
    for number, record in enumerate(store.read(corpus, split)):
        cells.setdefault(record.source, []).append(tokens[number][:max_cell_tokens].tolist())
    runtime.set_threads(runtime.cpu_count())
    lm = PackedLM(load_model(model))
    scores = {source: score_cells(lm, cells[source]) for source in sorted(cells)}
    return {ALL: sum(scores.values(), Score()), **scores}
