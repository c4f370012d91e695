"""The benchmark's samples stand for the corpus they are drawn from."""

import random

import pytest

from calcgen_ray.bench.train import even_sample, make_variants


def test_rows_have_the_corpus_mean_length() -> None:
    rng = random.Random(3)
    cells = [[7] * max(2, min(128, int(rng.lognormvariate(4, 0.6)))) for _ in range(1500)]
    mean = sum(map(len, cells)) / len(cells)
    variants = {v.batching: v for v in make_variants(cells, "fp32")}
    assert variants["padded"].useful / 32 == pytest.approx(mean, rel=0.02)
    assert variants["packed"].rows.input_ids.shape == variants["padded"].rows.input_ids.shape
    assert variants["packed"].useful / (32 * 128) > 0.95


def test_even_sample_takes_quantiles_or_all() -> None:
    assert even_sample(range(10), 5) == [1, 3, 5, 7, 9]
    assert even_sample([1, 2], 5) == [1, 2]
