"""The registry: nothing broken becomes live, and a crash changes nothing."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.registry import store
from calcgen_ray.registry.store import Registry


def convert(source, target):
    """A stand-in for the real conversion, which the contract tests run."""
    assert (source / "config.json").is_file()
    target.mkdir()
    (target / "model.bin").write_bytes(b"weights")


def write(folder, tiny_model, step=1, change=None):
    def fill(draft):
        shutil.copytree(tiny_model, draft, dirs_exist_ok=True)
        (draft / "training").mkdir()
        (draft / "training" / "state.json").write_text("{}")
        if change:
            weights = load_file(draft / "model.safetensors")
            change(weights)
            save_file(weights, draft / "model.safetensors", metadata={"format": "pt"})

    return checkpoints.write_folder(folder, fill, step=step, metrics={"perplexity": 3.5})


@pytest.fixture
def checkpoint(tmp_path, tiny_model):
    return write(tmp_path / "step-00000001", tiny_model)


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry")


def test_promote(registry, checkpoint):
    entry = registry.promote(checkpoint.path, "run", convert)
    assert entry.id == f"run-{checkpoint.digest[:8]}"
    assert entry.digest == checkpoint.digest
    assert entry.metrics == {"perplexity": 3.5}
    assert entry.promoted_at.endswith("+00:00")
    assert (entry.path / "engine-int8" / "model.bin").is_file()
    assert not (entry.path / "training").exists()
    assert registry.live() == entry
    assert registry.entries() == [entry]
    assert checkpoints.verify(entry.path).metrics == {"perplexity": 3.5}


def test_nothing_promoted(registry):
    with pytest.raises(InputError, match="run `calcgen promote RUN`"):
        registry.live()
    assert registry.entries() == []


def test_same_digest_twice_is_one_entry(registry, checkpoint):
    first = registry.promote(checkpoint.path, "run", convert)
    inode = (first.path / "model.safetensors").stat().st_ino
    assert registry.promote(checkpoint.path, "run", convert) == first
    assert (first.path / "model.safetensors").stat().st_ino == inode
    assert len(json.loads((registry.root / "promoted.json").read_text())["history"]) == 1


def test_an_entry_promoted_again_is_itself(registry, checkpoint):
    first = registry.promote(checkpoint.path, "run", convert)
    assert registry.promote(first.path, "run", convert) == first


def test_history_and_order(registry, checkpoint, tmp_path, tiny_model):
    other = write(tmp_path / "other", tiny_model, change=lambda w: w["lm_head.bias"].add_(1))
    first = registry.promote(checkpoint.path, "run", convert)
    second = registry.promote(other.path, "run", convert)
    assert registry.live() == second
    assert [e.id for e in registry.entries()] == [second.id, first.id]
    assert registry.promote(checkpoint.path, "run", convert).id == first.id
    assert registry.live().id == first.id


def cut_off(path):
    os.truncate(path, path.stat().st_size - 7)


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "told"), [(cut_off, "cut off"), (flip_a_byte, "changed"), (os.remove, "missing")]
)
def test_damaged_checkpoint_is_refused(registry, checkpoint, damage, told):
    damage(checkpoint.path / "model.safetensors")
    with pytest.raises(CheckpointError, match=told):
        registry.promote(checkpoint.path, "run", convert)
    assert registry.entries() == []


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_weights_that_are_no_numbers_are_refused(registry, tmp_path, tiny_model, value):
    def spoil(weights):
        weights["lm_head.bias"][17] = value

    spoilt = write(tmp_path / "spoilt", tiny_model, change=spoil)
    with pytest.raises(CheckpointError, match=r"lm_head\.bias holds nan or infinity"):
        registry.promote(spoilt.path, "run", convert)
    assert registry.entries() == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a" * 81, "a b", "a\n"])
def test_names_that_are_no_folder(registry, checkpoint, name):
    with pytest.raises(InputError, match="name: got"):
        registry.promote(checkpoint.path, name, convert)


def test_crash_before_the_switch_leaves_the_old_one_live(
    registry, checkpoint, tmp_path, tiny_model, monkeypatch
):
    first = registry.promote(checkpoint.path, "run", convert)
    other = write(tmp_path / "other", tiny_model, change=lambda w: w["lm_head.bias"].add_(1))

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            registry.promote(other.path, "run", convert)
    assert registry.live() == first
    assert len(registry.entries()) == 2
    assert registry.promote(other.path, "run", convert) == registry.live()


def test_failed_conversion_leaves_nothing(registry, checkpoint):
    def fails(source, target):
        raise CheckpointError("does not load")

    with pytest.raises(CheckpointError):
        registry.promote(checkpoint.path, "run", fails)
    assert list((registry.root / "models").iterdir()) == []


def test_live_entry_that_was_changed_is_not_served(registry, checkpoint):
    entry = registry.promote(checkpoint.path, "run", convert)
    flip_a_byte(entry.path / "engine-int8" / "model.bin")
    with pytest.raises(CheckpointError, match="changed"):
        registry.live()
    assert registry.promote(checkpoint.path, "run", convert).id == entry.id  # copied anew
    assert registry.live().id == entry.id


@pytest.mark.parametrize("text", ["", "[]", "{", '{"live": "x"}'])
def test_damaged_state(registry, text):
    registry.root.mkdir()
    (registry.root / "promoted.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"promoted\.json: damaged"):
        registry.live()
