"""FSDP over two gloo workers against DistributedDataParallel, and checkpoints in parts."""

import json
import shutil

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from calcgen_ray import settings
from calcgen_ray.train import journal
from calcgen_ray.train.loop import Loop

FSDP = {"workers.strategy": "fsdp"}
PARTS = {**FSDP, "train.sharded_checkpoints": True}


def worker(rank, config, corpus, folder, store, world_size, last):
    torch.set_num_threads(1)
    if world_size > 1:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank,
                                world_size=world_size)  # fmt: skip
    loop = Loop(settings.from_dict(config), corpus, folder, asked=lambda: loop.step + 1 == last)
    loop.run()
    if world_size > 1:
        dist.destroy_process_group()


def train(config, corpus, folder, world_size=2, last=None, **changes):
    """Losses of a run's steps; `last` is the step after which its workers are asked to leave."""
    folder.mkdir(parents=True, exist_ok=True)
    config = settings.replace(config, {**changes, "workers.count": world_size})
    store = folder / f".store-{world_size}-{last}"
    values = (config.model_dump(mode="json"), corpus, folder, str(store), world_size, last)
    mp.spawn(worker, values, nprocs=world_size)
    steps = [e for e in journal.read(folder / journal.JOURNAL) if e["event"] == "step"]
    return [step["loss"] for step in steps]


def weights(folder):
    last = sorted((folder / "checkpoints").glob("step-*"))[-1]
    return last, load_file(last / "model.safetensors")


@pytest.fixture(scope="module")
def ddp(tiny_config, corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    return train(tiny_config, corpus, folder), folder


@pytest.fixture(scope="module")
def fsdp(tiny_config, corpus, tmp_path_factory):
    """Unbroken, and broken off after step 5; both with checkpoints in parts between epochs."""
    folder = tmp_path_factory.mktemp("fsdp")
    train(tiny_config, corpus, folder / "broken", last=5, **PARTS)
    return train(tiny_config, corpus, folder / "whole", **PARTS), folder


def test_fsdp_has_ddps_losses_and_weights(ddp, fsdp):
    losses, folder = ddp
    assert fsdp[0] == pytest.approx(losses, abs=1e-4)
    path, mine = weights(fsdp[1] / "whole")
    for name, value in weights(folder)[1].items():
        torch.testing.assert_close(mine[name], value, atol=1e-4, rtol=0)
    model = AutoModelForCausalLM.from_pretrained(path)
    assert type(model).__name__ == "CodeGenForCausalLM"
    assert all(torch.equal(value, mine[name]) for name, value in model.named_parameters())


@pytest.mark.soak
def test_eager_attention_is_sharded_too(ddp, tiny_config, corpus, tmp_path):
    changes = {**FSDP, "train.attention": "eager", "train.gradient_checkpointing": True}
    assert train(tiny_config, corpus, tmp_path, **changes) == pytest.approx(ddp[0], abs=1e-4)


def test_recomputing_gives_the_same_numbers(ddp, tiny_config, corpus, tmp_path):
    changes = {**FSDP, "train.gradient_checkpointing": True}
    assert train(tiny_config, corpus, tmp_path, **changes) == pytest.approx(ddp[0], abs=1e-4)


def test_a_checkpoint_in_parts_goes_on_as_if_unbroken(fsdp, tiny_config, corpus, tmp_path):
    losses, folder = fsdp
    broken = shutil.copytree(folder / "broken", tmp_path / "broken")
    last = sorted((broken / "checkpoints").glob("step-*"))[-1]
    assert last.name == "step-00000005"
    parts = sorted(p.name for p in (last / "training").glob("part-*"))
    assert parts == ["part-00001-of-00002.safetensors", "part-00002-of-00002.safetensors"]
    assert not (last / "model.safetensors").exists()
    assert train(tiny_config, corpus, broken, **PARTS) == losses
    torch.testing.assert_close(weights(broken)[1], weights(folder / "whole")[1], rtol=0, atol=0)


def test_a_checkpoint_in_parts_is_read_by_one_worker(fsdp, tiny_config, corpus, tmp_path):
    losses, folder = fsdp
    broken = shutil.copytree(folder / "broken", tmp_path / "broken")
    found = train(tiny_config, corpus, broken, world_size=1, **PARTS)
    assert found == pytest.approx(losses, abs=1e-4)
    assert json.loads((weights(broken)[0] / "training/state.json").read_text())["world_size"] == 1
