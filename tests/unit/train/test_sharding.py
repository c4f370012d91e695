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


def worker(rank, runs, corpus, store, world_size):
    torch.set_num_threads(1)
    if world_size > 1:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank,
                                world_size=world_size)  # fmt: skip
    for config, folder, last in runs:
        loop = Loop(config, corpus, folder, asked=lambda: loop.step + 1 == last)  # noqa: B023
        loop.run()
    if world_size > 1:
        dist.destroy_process_group()


def train(config, corpus, *runs, world_size=2):
    """Trains one run after another in the same processes.

    Each is a folder, changed settings, and the step after which its workers are asked to leave.
    """
    told = []
    for folder, changes, last in runs:
        folder.mkdir(parents=True, exist_ok=True)
        changed = settings.replace(config, {**changes, "workers.count": world_size})
        told.append((changed, folder, last))
    store = runs[0][0] / f".store-{world_size}"
    mp.spawn(worker, (told, corpus, str(store), world_size), nprocs=world_size)


def of_steps(folder, key):
    return [e[key] for e in journal.read(folder / journal.JOURNAL) if e["event"] == "step"]


def losses(folder):
    return of_steps(folder, "loss")


def weights(folder):
    last = sorted((folder / "checkpoints").glob("step-*"))[-1]
    return last, load_file(last / "model.safetensors")


@pytest.fixture(scope="module")
def runs(tiny_config, corpus, tmp_path_factory):
    """Folder of runs: with DDP, and with FSDP unbroken, broken off after step 5, recomputing.

    The unbroken and the broken one have checkpoints in parts between their epochs.
    """
    folder = tmp_path_factory.mktemp("runs")
    train(
        tiny_config, corpus, (folder / "ddp", {}, None), (folder / "whole", PARTS, None),
        (folder / "broken", PARTS, 5),
        (folder / "recomputed", {**FSDP, "train.gradient_checkpointing": True}, None),
    )  # fmt: skip
    return folder


def test_fsdp_has_ddps_losses_and_weights(runs):
    assert losses(runs / "whole") == pytest.approx(losses(runs / "ddp"), abs=1e-4)
    norms = of_steps(runs / "ddp", "grad_norm")
    assert of_steps(runs / "whole", "grad_norm") == pytest.approx(norms, rel=1e-3)
    path, mine = weights(runs / "whole")
    for name, value in weights(runs / "ddp")[1].items():
        torch.testing.assert_close(mine[name], value, atol=1e-4, rtol=0)
    model = AutoModelForCausalLM.from_pretrained(path)
    assert type(model).__name__ == "CodeGenForCausalLM"
    assert all(torch.equal(value, mine[name]) for name, value in model.named_parameters())


@pytest.mark.soak
def test_eager_attention_is_sharded_too(runs, tiny_config, corpus, tmp_path):
    changes = {**FSDP, "train.attention": "eager", "train.gradient_checkpointing": True}
    train(tiny_config, corpus, (tmp_path, changes, None))
    assert losses(tmp_path) == pytest.approx(losses(runs / "ddp"), abs=1e-4)


def test_recomputing_gives_the_same_numbers(runs):
    assert losses(runs / "recomputed") == pytest.approx(losses(runs / "ddp"), abs=1e-4)


def test_a_checkpoint_in_parts_goes_on_as_if_unbroken(runs, tiny_config, corpus, tmp_path):
    broken = shutil.copytree(runs / "broken", tmp_path / "broken")
    last = sorted((broken / "checkpoints").glob("step-*"))[-1]
    assert last.name == "step-00000005"
    parts = sorted(p.name for p in (last / "training").glob("part-*"))
    assert parts == ["part-00001-of-00002.safetensors", "part-00002-of-00002.safetensors"]
    assert not (last / "model.safetensors").exists()
    train(tiny_config, corpus, (broken, PARTS, None))
    assert losses(broken) == losses(runs / "whole")
    torch.testing.assert_close(weights(broken)[1], weights(runs / "whole")[1], rtol=0, atol=0)


def test_a_checkpoint_in_parts_is_read_by_one_worker(runs, tiny_config, corpus, tmp_path):
    broken = shutil.copytree(runs / "broken", tmp_path / "broken")
    train(tiny_config, corpus, (broken, PARTS, None), world_size=1)
    assert losses(broken) == pytest.approx(losses(runs / "whole"), abs=1e-4)
    assert json.loads((weights(broken)[0] / "training/state.json").read_text())["world_size"] == 1


def test_three_workers_that_go_on_end_with_the_same_bits(tiny_config, corpus, tmp_path):
    """Their gradients are summed, not divided, wherever they lie; two passes a step, so that they
    lie outside DDP's buckets at first."""
    changes = {"train.batch_size": 6, "train.micro_batch_size": 1}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(tiny_config, corpus, (whole, changes, None), (broken, changes, 4), world_size=3)
    train(tiny_config, corpus, (broken, changes, None), world_size=3)
    assert losses(broken) == losses(whole) and len(losses(whole)) == 6
    torch.testing.assert_close(weights(broken)[1], weights(whole)[1], rtol=0, atol=0)
