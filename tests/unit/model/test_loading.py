"""Models by name, tokenizers, and folders that are not what they should be."""

import json
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from calcgen_ray.errors import CheckpointError, ModelError
from calcgen_ray.model.checkpoint import verify, write_folder
from calcgen_ray.model.loading import embedded_folder, load_model, load_model_tokenizer
from calcgen_ray.model.tokenizer import decode, encode, load_tokenizer, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return load_model_tokenizer("embedded")


def test_the_embedded_model():
    model = load_model("embedded")
    assert 3e6 <= sum(p.numel() for p in model.parameters()) <= 8e6
    assert model.config.vocab_size == 4096 and model.config.model_type == "codegen"
    assert model.config.n_head % 4 == 0


def test_the_base_ships_whole_and_small_with_its_recipe():
    """Issue 4: at most 20 MB, verified, its card and recipe beside it."""
    folder = embedded_folder()
    verify(folder)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20e6
    recipe = json.loads((folder / "recipe.json").read_text())
    assert recipe["tokens"] + recipe["start"]["tokens"] > 10e6 and set(recipe["read"]) >= {
        "sympy",
        "numpy",
    }
    card = (folder / "README.md").read_text()
    assert recipe["recipe"] in card and "## Limits" in card and "## What was tried" in card
    loaded, drawn = load_model("embedded"), load_model("embedded-random")
    assert not bool((loaded.lm_head.weight == drawn.lm_head.weight).all())
    assert loaded.config.to_dict() == drawn.config.to_dict()


def test_the_seed_gives_the_weights():
    one, two, other = (load_model("embedded-random", seed=s).lm_head.weight for s in (3, 3, 4))
    assert bool((one == two).all()) and not bool((one == other).all())


@given(st.text(max_size=80))
def test_round_trip(tokenizer, text):
    assert decode(tokenizer, encode(tokenizer, text)) == text


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return x**2  # two  spaces\n\n\n\tprint(f(3))\r\n",
        "s = '''é ∫ 𝑥 \\n'''\nx = 12345678901234567890\n",
        "<|endoftext|> typed in a cell",
        "    indented\n        more\n  \n",
    ],
)
def test_round_trip_of_code(tokenizer, code):
    ids = encode(tokenizer, code)
    assert decode(tokenizer, ids) == code
    assert tokenizer.eos_token_id not in ids


def test_digits_are_split(tokenizer):
    assert len(encode(tokenizer, "1234567")) == 7


def test_it_is_the_tokenizer_that_transformers_would_choose(tokenizer):
    chosen = AutoTokenizer.from_pretrained(str(embedded_folder()))
    assert type(chosen) is type(tokenizer) and chosen.init_kwargs == tokenizer.init_kwargs
    assert chosen.get_vocab() == tokenizer.get_vocab()


def test_a_broken_tokenizer_file_is_one_line(tmp_path):
    for text in ("{", "[]", '{"tokenizer_class": "TokenizersBackend"}'):
        (tmp_path / "tokenizer_config.json").write_text(text)
        with pytest.raises(ModelError, match="no tokenizer could be loaded") as error:
            load_tokenizer(tmp_path)
        assert "\n" not in str(error.value)


def test_training_a_tokenizer_is_repeatable(tmp_path):
    texts = ["x = symbols('x')\n" * 3, "integrate(x**2, x)\n" * 3]
    one, two = (train_tokenizer(texts, 300) for _ in range(2))
    assert one.get_vocab() == two.get_vocab() and len(one) <= 300
    one.save_pretrained(tmp_path)
    assert encode(load_tokenizer(tmp_path), texts[0]) == encode(one, texts[0])


@pytest.fixture
def folder(tiny_model, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(tiny_model, copy)
    return copy


@pytest.mark.parametrize("size", [0, 1, 7, 8, 1000, -1])
def test_cut_off_weights(folder, size):
    weights = folder / "model.safetensors"
    os.truncate(weights, size if size >= 0 else weights.stat().st_size - 1)
    with pytest.raises(CheckpointError, match="cut off") as error:
        load_model(str(folder))
    assert "\n" not in str(error.value)


DAMAGE = {
    "no config": (lambda f: (f / "config.json").unlink(), "no config.json"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), "not JSON"),
    "foreign code": (
        lambda f: (f / "config.json").write_text(
            json.dumps({**json.loads((f / "config.json").read_text()), "auto_map": {"A": "b.C"}})
        ),
        "auto_map",
    ),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no .safetensors"),
    "pickle only": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "no .safetensors",
    ),
    "lfs pointer": (
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs\n" + "x" * 99),
        "git lfs pull",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_folders(folder, name):
    damage, said = DAMAGE[name]
    damage(folder)
    with pytest.raises(CheckpointError, match=said):
        load_model(str(folder))


def test_unreachable_names():
    with pytest.raises(ModelError, match="use model=embedded"):
        load_model("nobody/nothing")
    with pytest.raises(ModelError, match="use model=embedded"):
        load_model_tokenizer("nobody/nothing")


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    def half(draft):
        (draft / "a").write_text("x")
        raise OSError(28, "No space left on device")

    target = tmp_path / "step-00000001"
    with pytest.raises(OSError, match="No space"):
        write_folder(target, half, step=1, metrics={})
    assert not list(tmp_path.iterdir())
    write_folder(target, lambda d: (d / "a").write_text("old"), step=1, metrics={"perplexity": 2.0})
    with pytest.raises(OSError, match="No space"):
        write_folder(target, half, step=1, metrics={})
    assert verify(target).metrics == {"perplexity": 2.0} and (target / "a").read_text() == "old"


@pytest.mark.parametrize("size", [0, 1, 2])
def test_every_cut_of_a_file_is_found(tmp_path, size):
    target = tmp_path / "step-00000001"
    write_folder(target, lambda d: (d / "a").write_text("abc"), step=1, metrics={})
    os.truncate(target / "a", size)
    with pytest.raises(CheckpointError, match="cut off"):
        verify(target)


def test_a_manifest_cannot_reach_outside(tmp_path):
    target = tmp_path / "step-00000001"
    write_folder(target, lambda d: (d / "a").write_text("abc"), step=1, metrics={})
    body = json.loads((target / "calcgen.json").read_text())
    body["files"]["../secret"] = body["files"].pop("a")
    (target / "calcgen.json").write_text(json.dumps(body))
    (tmp_path / "secret").write_text("abc")
    with pytest.raises(CheckpointError, match="missing"):
        verify(target)
