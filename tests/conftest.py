"""What several tests share: small corpora and a tiny model, no network."""

import os
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from calcgen_ray import settings
from calcgen_ray.corpus import store

# The same examples on every machine and in every run; `make soak` draws others.
hypothesis.settings.register_profile("fixed", derandomize=True)

CODE = "from sympy import symbols, diff\n\nx = symbols('x')\nresult = diff({}, x)\nprint(result)\n"


def make_record(index: int, text: str, split: str = "train") -> store.Record:
    return store.Record(
        id=f"synthetic/t/{index:06d}", source="synthetic", document="t", group=str(index),
        index=index, family="derivatives", difficulty="easy", phrasing="derivatives/0",
        statement="", code=text, plain=text, text=text, expected="", skeleton="", licence="",
        split=split,
    )  # fmt: skip


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 short cells to train on and 10 to score."""
    folder = tmp_path_factory.mktemp("corpus")
    texts = [CODE.format(f"{i % 9 + 1}*x**{i // 9 + 2} + {i}") for i in range(100)]
    records = [make_record(i, t, "valid" if i % 10 == 0 else "train") for i, t in enumerate(texts)]
    manifest = {"by_split": {"train": 90, "valid": 10}, "cells": 100, "sha256": "0"}
    store.write(folder, records, manifest)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CodeGen of 0.3 M parameters and the embedded model's tokenizer."""
    import torch
    from transformers import CodeGenConfig, CodeGenForCausalLM

    from calcgen_ray.model.loading import load_model_tokenizer

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = load_model_tokenizer("embedded")
    torch.manual_seed(0)
    config = CodeGenConfig(
        vocab_size=len(tokenizer), n_positions=256, n_ctx=256, n_embd=32, n_layer=2, n_head=4,
        rotary_dim=8, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    CodeGenForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory):
    """A fast run in float32: exact comparisons hold."""
    storage = tmp_path_factory.mktemp("storage")
    return settings.load(
        "embedded",
        [
            f"model={tiny_model}", f"run.storage={storage}", "train.precision=fp32",
            "train.epochs=2", "train.block_size=128", "train.batch_size=4",
            "train.micro_batch_size=2", "train.checkpoint_steps=3", "workers.count=1",
            "optim.lr=5e-4",
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def ray_cluster():
    """A cluster of this machine, for the tests of one file."""
    from calcgen_ray import cluster

    cluster.connect(dashboard=False)
    yield
    cluster.disconnect()
