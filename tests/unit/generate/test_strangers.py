"""Checkpoints from strangers: no code of theirs is run, no file outside their folder is read."""

import contextlib
import json
import pickle
import shutil

import pytest
import torch
from transformers import CodeGenConfig, CodeGenForCausalLM

from calcgen_ray.errors import CalcgenError, CheckpointError
from calcgen_ray.generate.engine import SamplingParams, open_engine
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.model.loading import load_model_tokenizer

INDEX = "model.safetensors.index.json"


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """A model in several files."""
    folder = tmp_path_factory.mktemp("sharded") / "model"
    tokenizer = load_model_tokenizer("embedded")
    config = CodeGenConfig(
        vocab_size=len(tokenizer), n_positions=64, n_ctx=64, n_embd=32, n_layer=1, n_head=4,
        rotary_dim=8, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    CodeGenForCausalLM(config).save_pretrained(folder, max_shard_size="200KB")
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(sharded, tmp_path):
    return shutil.copytree(sharded, tmp_path / "model")


def serves(folder):
    """Opens the folder as an endpoint does and asks for a token."""
    engine = open_engine(folder)
    try:
        return engine.generate(["x"], SamplingParams(1, temperature=0))
    finally:
        engine.close()


def test_pickles_beside_the_weights_are_not_read(folder, tmp_path):
    canary = tmp_path / "canary"
    for name in ("pytorch_model.bin", "model.pt", "weights.pkl", "training_args.bin"):
        (folder / name).write_bytes(pickle.dumps(Canary(canary)))
    assert serves(folder) and not canary.exists()
    pickle.loads((folder / "model.pt").read_bytes())
    assert canary.exists()  # it would have told


def test_a_tokenizers_code_is_not_run(folder, tmp_path):
    canary = tmp_path / "canary"
    (folder / "own.py").write_text(f"open({str(canary)!r}, 'w')\nclass Own: pass\n")
    path = folder / "tokenizer_config.json"
    told = json.loads(path.read_text())
    told |= {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
    path.write_text(json.dumps(told))
    with contextlib.suppress(CalcgenError):
        serves(folder)
    assert not canary.exists()


@pytest.mark.parametrize("kind", ["above", "absolute", "below"])
def test_weights_outside_the_folder_are_not_read(folder, kind):
    index = json.loads((folder / INDEX).read_text())
    first = min(index["weight_map"].values())
    outside = shutil.move(folder / first, folder.parent / "outside.safetensors")
    name = {"above": "../outside.safetensors", "absolute": str(outside), "below": "a/b"}[kind]
    index["weight_map"] = {k: name if v == first else v for k, v in index["weight_map"].items()}
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="is no file of this folder"):
        serves(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": 3}'])
def test_a_damaged_index_is_named(folder, text):
    (folder / INDEX).write_text(text)
    with pytest.raises(CheckpointError, match=f"{INDEX}: damaged"):
        serves(folder)


def test_a_link_out_of_a_checkpoint_does_not_verify(sharded, tmp_path):
    made = checkpoints.write_folder(
        tmp_path / "made", lambda draft: shutil.copytree(sharded, draft, dirs_exist_ok=True),
        step=1, metrics={},
    ).path  # fmt: skip
    weights = min(made.glob("*.safetensors"))
    outside = shutil.move(weights, tmp_path / "outside.safetensors")
    weights.symlink_to(outside)
    with pytest.raises(CheckpointError, match="missing"):
        checkpoints.verify(made)
