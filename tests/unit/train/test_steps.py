"""One step gives the same however its rows are spread; a resumed run ends like an unbroken one."""

import copy
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from calcgen_ray import settings
from calcgen_ray.errors import CheckpointError
from calcgen_ray.model.loading import load_model
from calcgen_ray.model.packed import IGNORE, PackedLM
from calcgen_ray.train import journal, state
from calcgen_ray.train.batches import fill_rows
from calcgen_ray.train.kept import CHECKPOINTS
from calcgen_ray.train.loop import Loop
from calcgen_ray.train.optimizer import make_optimizer
from calcgen_ray.train.schedule import learning_rate
from calcgen_ray.train.step import train_step
from calcgen_ray.training_config import OptimConfig


def cells(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(5, 60, (count,), generator=generator).tolist()
    return [torch.randint(1, 4000, (n,), generator=generator).tolist() for n in sizes]


def stepped(model, passes, **options):
    model = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    tokens = sum(int((rows.labels != IGNORE).sum()) for rows in passes)
    train_step(PackedLM(model, "sdpa"), optimizer, passes, tokens=tokens, clip=None, **options)
    return dict(model.named_parameters())


@pytest.mark.parametrize("parts", [2, 4, 8])
def test_accumulation_equals_one_pass(tiny_model, parts):
    """N passes of one part equal one pass of N parts, though their tokens differ."""
    model, some = load_model(str(tiny_model)), [[cell] for cell in cells(8)]
    whole = stepped(model, [fill_rows(some, 64)])
    size = 8 // parts
    split = stepped(model, [fill_rows(some[i : i + size], 64) for i in range(0, 8, size)])
    for name, value in whole.items():
        torch.testing.assert_close(split[name], value, atol=1e-5, rtol=0)


def test_empty_rows_add_nothing(tiny_model):
    model, some = load_model(str(tiny_model)), [[cell] for cell in cells(2)]
    with_empty = stepped(model, [fill_rows(some, 64), fill_rows([[]], 64)])
    for name, value in stepped(model, [fill_rows(some, 64)]).items():
        torch.testing.assert_close(with_empty[name], value, atol=1e-6, rtol=0)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_schedule(schedule):
    optim = OptimConfig(lr=1.0, schedule=schedule, warmup_fraction=0.1, min_lr_fraction=0.2)
    rates = [learning_rate(step, 100, optim) for step in range(100)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[10] == 1.0
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    middle = {"cosine": 0.6, "linear": 0.6, "constant": 1.0}[schedule]
    assert rates[55] == pytest.approx(middle)
    last = {"cosine": 0.2, "linear": 0.2, "constant": 1.0}[schedule]
    assert learning_rate(100, 100, optim) == pytest.approx(last)


def test_decay_falls_on_matrices_only(tiny_model):
    model = load_model(str(tiny_model))
    decayed, others = make_optimizer(model, OptimConfig()).param_groups
    assert decayed["weight_decay"] > 0 == others["weight_decay"]
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in others["params"]} == {1}
    [everything] = make_optimizer(model, OptimConfig(decay="all")).param_groups
    assert len(everything["params"]) == len(decayed["params"]) + len(others["params"])


def test_optimizer_state_of_another_model_is_refused(tiny_model, tmp_path):
    model = load_model(str(tiny_model))
    optimizer = make_optimizer(model, OptimConfig())
    PackedLM(model)(fill_rows([cells(1)], 64)).backward()
    optimizer.step()
    state.write_whole(tmp_path, model, state.gather(model, optimizer, keep=True))
    other = torch.nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match="another model"):
        state.restore(tmp_path, other, make_optimizer(other, OptimConfig()))


def weights(folder: Path) -> dict:
    last = sorted((folder / CHECKPOINTS).glob("step-*"))[-1]
    return load_file(last / "model.safetensors")


RUN = """
import json, os, sys
from pathlib import Path
from calcgen_ray import settings
from calcgen_ray.train.loop import Loop
config, corpus, folder, die_at = json.loads(sys.argv[1]), *sys.argv[2:]
loop = Loop(settings.from_dict(config), Path(corpus), Path(folder))
step = loop._one_step
def mortal():
    step()
    if loop.step == int(die_at):
        os._exit(9)
loop._one_step = mortal
loop.run()
"""


def test_killed_and_resumed_equals_unbroken(tiny_config, corpus, tmp_path):
    """A process that dies between two checkpoints costs steps, never a bit of the result."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    torch.manual_seed(1)
    Loop(tiny_config, corpus, whole).run()
    tree = json.dumps(tiny_config.model_dump(mode="json"))
    command = [sys.executable, "-c", RUN, tree, str(corpus), str(broken)]
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums depend on their number
    died = subprocess.run([*command, "8"], capture_output=True, env=os.environ | threads)
    assert died.returncode == 9, died.stderr.decode()
    assert [e["step"] for e in journal.read(broken / journal.JOURNAL)][-1] == 8
    loop = Loop(tiny_config, corpus, broken)
    assert 0 < loop.step < 8
    loop.run()
    before, after = weights(whole), weights(broken)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    losses = [
        [e["loss"] for e in journal.read(f / journal.JOURNAL) if e["event"] == "step"]
        for f in (whole, broken)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("damage", ["truncate", "flip", "manifest", "remove"])
def test_a_broken_checkpoint_is_passed_over(tiny_config, corpus, tmp_path, damage):
    folder = tmp_path / "run"
    folder.mkdir()
    Loop(settings.replace(tiny_config, {"train.epochs": 1}), corpus, folder).run()
    root = folder / CHECKPOINTS
    newest = sorted(root.glob("step-*"))[-1]
    victim = newest / "model.safetensors"
    if damage == "truncate":
        os.truncate(victim, victim.stat().st_size - 1)
    elif damage == "flip":
        data = bytearray(victim.read_bytes())
        data[-1] ^= 1
        victim.write_bytes(data)
    elif damage == "manifest":
        (newest / "calcgen.json").write_text("{")
    else:
        victim.unlink()
    loop = Loop(settings.replace(tiny_config, {"train.epochs": 1}), corpus, folder)
    assert 0 < loop.step < int(newest.name.removeprefix("step-"))
    assert not newest.exists()
    assert list(root.glob(".broken-*"))


def test_training_learns(tiny_config, corpus, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    config = settings.replace(tiny_config, {"train.epochs": 6, "optim.lr": 1e-2})
    last = Loop(config, corpus, folder).run()
    entries = journal.read(folder / journal.JOURNAL)
    first = next(e for e in entries if e["event"] == "eval")
    assert last["perplexity"] < first["perplexity"] / 20


def test_windows_cross_cells_and_are_drawn_from_the_seed(tiny_config, corpus, tmp_path):
    from calcgen_ray.corpus.tokens import tokenise
    from calcgen_ray.model.loading import load_model_tokenizer
    from calcgen_ray.train.batches import make_batches

    config = settings.replace(tiny_config, {"train.batching": "windows", "train.batch_size": 6})
    tokens = tokenise(corpus, "train", load_model_tokenizer("embedded"))
    one, two = (make_batches(tokens, config) for _ in range(2))
    halves = [torch.cat([r.input_ids for r in two.passes(3, rank, 2)]) for rank in (0, 1)]
    whole = torch.cat([r.input_ids for r in one.passes(3, 0, 1)])
    assert whole.shape == (6, 128)
    assert torch.equal(whole[0::2], halves[0]) and torch.equal(whole[1::2], halves[1])
    assert not torch.equal(whole, torch.cat([r.input_ids for r in one.passes(4, 0, 1)]))


def test_the_code_of_a_cell_is_scored_and_of_some_the_statement_too(tiny_config, corpus, tmp_path):
    """By hand: the labels of a row, and the count of scored tokens that the loss is divided by."""
    from dataclasses import replace

    from calcgen_ray.corpus import store
    from calcgen_ray.corpus.tokens import tokenise
    from calcgen_ray.model.loading import load_model_tokenizer
    from calcgen_ray.model.packed import IGNORE
    from calcgen_ray.train.batches import make_batches

    [record, *_] = store.read(corpus)
    texts = ["# Say one.\nx = 1\n", "# Say two, if you can.\nx = 2\n", "x = 3\n"]
    words = ["Say one.", "Say two, if you can.", ""]
    cells = [
        replace(record, id=f"s/{i}", text=t, statement=w, split="train")
        for i, (t, w) in enumerate(zip(texts, words, strict=True))
    ]
    store.write(tmp_path, cells, {})
    tokens = tokenise(tmp_path, "train", load_model_tokenizer("embedded-random"))
    tokenizer = load_model_tokenizer("embedded-random")
    one_each = {"train.batching": "padded", "train.batch_size": 3, "train.micro_batch_size": 3}
    for share, hidden in ((0.0, [True, True, False]), (1.0, [False] * 3)):
        config = settings.replace(tiny_config, {**one_each, "train.statement_share": share})
        batches = make_batches(tokens, config)
        [rows] = batches.passes(0, 0, 1)
        assert int((rows.labels != IGNORE).sum()) == batches.tokens(0)
        for ids, labels in zip(rows.input_ids.tolist(), rows.labels.tolist(), strict=True):
            scored = tokenizer.decode([i for i in labels if i not in (IGNORE, 0)])
            text = tokenizer.decode(ids).partition("<|endoftext|>")[0]
            number = texts.index(text)
            code = f"x = {number + 1}\n"
            whole = code if hidden[number] else text
            assert whole.endswith(scored) or scored.endswith(whole)
            assert len(whole) - 4 <= len(scored) <= len(whole) + 1  # a first token, a newline
            assert ("Say" in scored) == (not hidden[number] and number < 2)


def test_a_run_ends_on_a_plateau_and_not_before(tiny_config, corpus, tmp_path):
    changes = {"train.eval_steps": 2, "train.patience": 3, "train.epochs": 50}
    still = settings.replace(tiny_config, {**changes, "optim.lr": 1e-9})
    falling = settings.replace(tiny_config, {**changes, "train.epochs": 2, "optim.lr": 1e-2})
    steps = {}
    for name, config in (("still", still), ("falling", falling)):
        folder = tmp_path / name
        folder.mkdir()
        loop = Loop(config, corpus, folder)
        loop.run()
        steps[name] = loop.step, loop.total
        again = Loop(config, corpus, folder)
        again.run()
        assert again.step == loop.step
    assert steps["still"][0] == 8 and steps["falling"][0] == steps["falling"][1] > 6
