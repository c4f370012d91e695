"""Perplexity over all held-out cells and by source, against transformers' own loss."""

import math
from dataclasses import replace

import pytest
import torch

from calcgen_ray.corpus import store
from calcgen_ray.errors import DataError
from calcgen_ray.evaluate.perplexity import ALL, measure
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.model.tokenizer import encode


def test_by_source_and_weighted_by_tokens(tiny_model, corpus, tmp_path):
    cells = [r for r in store.read(corpus) if r.split == "valid"][:4]
    cells = [replace(r, source="docstring" if i == 1 else r.source) for i, r in enumerate(cells)]
    store.write(tmp_path, cells, {})
    scores = measure(str(tiny_model), tmp_path)
    assert set(scores) == {ALL, "docstring", "synthetic"}
    tokenizer, model = load_model_tokenizer(str(tiny_model)), load_model(str(tiny_model)).eval()
    nats, tokens = {"docstring": 0.0, "synthetic": 0.0}, 0
    for record in cells:
        ids = torch.tensor([[*encode(tokenizer, record.text), tokenizer.eos_token_id]])
        with torch.no_grad():
            nats[record.source] += float(model(ids, labels=ids).loss) * (ids.shape[1] - 1)
        tokens += ids.shape[1] - 1
    assert scores[ALL].tokens == tokens
    assert scores[ALL].perplexity == pytest.approx(math.exp(sum(nats.values()) / tokens), rel=1e-4)
    assert scores["docstring"].nats == pytest.approx(nats["docstring"], rel=1e-4)


def test_cells_held_out_by_name_are_measured_alone(tiny_model, corpus, tmp_path):
    cells = store.read(corpus, "valid")
    alone = [replace(cell, split="test") for cell in cells[:3]]
    store.write(tmp_path / "both", [*cells[3:], *alone], {})
    store.write(tmp_path / "alone", alone, {})
    both, one = (measure(str(tiny_model), tmp_path / name)[ALL] for name in ("both", "alone"))
    assert both == one and one.tokens


def test_no_validation_cells(tiny_model, corpus, tmp_path):
    store.write(tmp_path, store.read(corpus, "train"), {})
    with pytest.raises(DataError, match="no held-out cells"):
        measure(str(tiny_model), tmp_path)
