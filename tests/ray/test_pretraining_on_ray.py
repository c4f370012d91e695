"""A small base from random weights, on Ray: made, found made, shipped, loaded."""

import json

import pytest
import torch
from safetensors.torch import load_file

from calcgen_ray import pretraining, settings
from calcgen_ray.errors import CheckpointError, ConfigError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.model.loading import load_model, load_model_tokenizer

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return settings.load(
        "base",
        [
            f"run.storage={tmp_path_factory.mktemp('storage')}", "workers.count=2",
            "corpus.packages=[]", "corpus.synthetic.count=0", "corpus.drills=400",
            "architecture.vocab_size=400", "architecture.layers=1", "architecture.width=32",
            "train.steps=6", "train.eval_steps=3", "train.block_size=128",
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(config, tmp_path_factory, ray_cluster):
    folder = tmp_path_factory.mktemp("runs") / "base"
    heard = []
    recipe = pretraining.pretrain(config, folder, listen=heard.append)
    return folder, recipe, heard


def test_a_base_is_made_whole_and_small(config, made):
    folder, _, heard = made
    base = folder / pretraining.BASE
    assert checkpoints.verify(base).step == 6
    assert heard[-1]["event"] == "end"
    weights = load_file(base / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    model, tokenizer = load_model(str(base)), load_model_tokenizer(str(base))
    assert model.dtype == torch.float32 and len(tokenizer) == 400 == model.config.vocab_size
    assert model.config.rotary_dim == 4 and model.config.eos_token_id == tokenizer.eos_token_id
    assert {p.name for p in base.iterdir()} == {
        "README.md", "calcgen.json", "config.json", "generation_config.json",
        "model.safetensors", "recipe.json", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip


def test_its_recipe_and_card_say_what_it_is_made_of(made):
    folder, recipe, _ = made
    base = folder / pretraining.BASE
    assert json.loads((base / "recipe.json").read_text()) == recipe
    assert recipe["corpus"]["by_source"] == {"drill": recipe["corpus"]["cells"]}
    assert recipe["read"]["sympy"]["licence"] == "BSD" and recipe["versions"]["torch"]
    assert recipe["tokens"] > 0 and [p["step"] for p in recipe["curve"]] == [0, 3, 6]
    card = (base / "README.md").read_text()
    assert "[[" not in card and recipe["recipe"] in card and "| drill | " in card


def test_made_once_it_is_not_made_again_and_other_settings_are_refused(config, made):
    folder, recipe, _ = made
    heard = []
    assert pretraining.pretrain(config, folder, listen=heard.append) == recipe
    assert heard == []
    with pytest.raises(ConfigError, match=r"architecture\.layers=1, now it is 2"):
        pretraining.pretrain(settings.replace(config, {"architecture.layers": 2}), folder)


def test_it_is_shipped_only_whole(made, tmp_path):
    folder, _, _ = made
    out = tmp_path / "embedded"
    out.mkdir()
    (out / "stale.bin").write_text("old")
    pretraining.ship(folder / pretraining.BASE, out)
    assert checkpoints.verify(out) and not (out / "stale.bin").exists()
    (out / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match="cut off"):
        pretraining.ship(out, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_heads_that_codegen_cannot_have_are_refused():
    with pytest.raises(ConfigError, match="no multiple of 4"):
        settings.load("base", ["architecture.heads=6"])
    with pytest.raises(ConfigError, match=r"no multiple of 8 \(2 x heads\)"):
        settings.load("base", ["architecture.width=100"])
