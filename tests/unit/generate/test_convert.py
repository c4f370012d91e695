"""Conversion: quiet, checked, the same function as transformers computes."""

from __future__ import annotations

import ctranslate2
import numpy as np
import pytest
import torch
from transformers import BertConfig, BertLMHeadModel, CodeGenConfig, CodeGenForCausalLM

from calcgen_ray.errors import CheckpointError, InputError, ModelError
from calcgen_ray.generate.convert import to_ctranslate2, vocabulary
from calcgen_ray.model.loading import load_model, load_model_tokenizer

IDS = [5, 700, 80, 9, 1000, 11]


def logits_of(folder):
    generator = ctranslate2.Generator(str(folder), compute_type="float32", intra_threads=1)
    tokens = vocabulary(folder)
    return np.asarray(generator.forward_batch([[tokens[i] for i in IDS]]))[0]


def reference(folder):
    with torch.no_grad():
        return load_model(str(folder))(torch.tensor([IDS])).logits[0].numpy()


def write(folder, model):
    model.save_pretrained(folder)
    load_model_tokenizer("embedded").save_pretrained(folder)
    return folder


def test_quiet_and_loadable(tiny_model, tmp_path, capfd):
    to_ctranslate2(tiny_model, tmp_path / "a" / "engine")
    assert capfd.readouterr() == ("", "")
    names = {path.name for path in (tmp_path / "a" / "engine").iterdir()}
    assert names == {"config.json", "model.bin", "vocabulary.json"}


def test_float32_computes_what_transformers_does(tiny_model, tmp_path):
    to_ctranslate2(tiny_model, tmp_path / "engine", "float32")
    np.testing.assert_allclose(logits_of(tmp_path / "engine"), reference(tiny_model), atol=2e-5)


def test_head_dim_in_the_config_scrambles_nothing(tmp_path):
    torch.manual_seed(0)
    config = CodeGenConfig(
        vocab_size=4096, n_positions=64, n_embd=1024, n_layer=1, n_head=8, rotary_dim=32,
        n_inner=64, initializer_range=0.05, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    config.head_dim = 128
    folder = write(tmp_path / "model", CodeGenForCausalLM(config))
    assert '"head_dim": 128' in (folder / "config.json").read_text()
    to_ctranslate2(folder, tmp_path / "engine", "float32")
    np.testing.assert_allclose(logits_of(tmp_path / "engine"), reference(folder), atol=1e-3)


def test_existing_target_is_kept(tiny_model, tmp_path):
    with pytest.raises(InputError, match="is there already"):
        to_ctranslate2(tiny_model, tmp_path)


def test_weights_that_do_not_compute(tmp_path):
    model = load_model("embedded-random")
    with torch.no_grad():
        model.transformer.ln_f.weight.fill_(torch.nan)
    folder = write(tmp_path / "model", model)
    with pytest.raises(CheckpointError, match="not finite"):
        to_ctranslate2(folder, tmp_path / "engine")


def test_unknown_architecture(tmp_path):
    config = BertConfig(
        vocab_size=4096, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, is_decoder=True,
    )  # fmt: skip
    folder = write(tmp_path / "model", BertLMHeadModel(config))
    with pytest.raises((ModelError, CheckpointError)) as caught:
        to_ctranslate2(folder, tmp_path / "engine")
    assert "\n" not in str(caught.value)
