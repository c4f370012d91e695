"""Two gloo workers against one worker with the double batch, without Ray."""

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from calcgen_ray import settings
from calcgen_ray.model.loading import load_model
from calcgen_ray.model.packed import IGNORE, PackedLM
from calcgen_ray.train import journal, loop
from calcgen_ray.train.batches import fill_rows
from calcgen_ray.train.parallel import distribute
from calcgen_ray.train.step import train_step


def rows():
    generator = torch.Generator().manual_seed(0)
    return [[torch.randint(1, 4000, (n,), generator=generator).tolist()] for n in (9, 50, 31, 17)]


def stepped(model, mine, tokens, world_size):
    """Parameters after one step of plain gradient descent: the gradient, with its sign."""
    lm = PackedLM(model, "sdpa")
    module = distribute(lm, "ddp", world_size, "cpu", bf16=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    passes = [fill_rows(part, 64) for part in mine]
    train_step(module, optimizer, passes, tokens=tokens, clip=None)
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def worker(rank, folder, store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    every = rows()
    tokens = sum(len(row[0]) - 1 for row in every)
    mine = [[every[rank]], [every[rank + 2]]]  # two accumulated passes each
    result = stepped(load_model(folder), mine, tokens, 2)
    torch.save(result, f"{store}-{rank}.pt")
    dist.destroy_process_group()


def test_two_workers_equal_one_with_the_double_batch(tiny_model, tmp_path):
    store = str(tmp_path / "store")
    mp.spawn(worker, (str(tiny_model), store), nprocs=2)
    every = rows()
    whole = fill_rows(every, 64)
    tokens = int((whole.labels != IGNORE).sum())
    one = stepped(load_model(str(tiny_model)), [every], tokens, 1)
    for rank in (0, 1):
        two = torch.load(f"{store}-{rank}.pt", weights_only=True)
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, atol=1e-5, rtol=0)


def warned(rank, config, corpus, folder, store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    torch.set_num_threads(1)
    loop.WARNING_SECONDS = 0.0
    loop.Loop(settings.from_dict(config), corpus, folder, warned=lambda: rank == 1).run()
    dist.destroy_process_group()


def test_a_loss_that_one_worker_alone_has_heard_of_is_saved_for_by_all(
    tiny_config, corpus, tmp_path
):
    """Each writes a part of the checkpoint: one that saved by itself would wait for the other."""
    changes = {"workers.strategy": "fsdp", "workers.count": 2, "train.sharded_checkpoints": True,
               "train.checkpoint_steps": 1000, "train.epochs": 1}  # fmt: skip
    config = settings.replace(tiny_config, changes).model_dump(mode="json")
    (tmp_path / "run").mkdir()
    mp.spawn(warned, (config, corpus, tmp_path / "run", tmp_path / "store"), nprocs=2)
    entries = journal.read(tmp_path / "run" / journal.JOURNAL)
    saved = [entry["step"] for entry in entries if entry["event"] == "checkpoint"]
    assert saved == [1, entries[0]["total"]] and entries[-1]["event"] == "end"
