"""Two workers over one, and Ray over plain torchrun: each arm is a command of its own.

A worker has the same rows a step whatever their number (weak scaling, as a cluster is used), but
for one, a thread, and the machine's number format. Arms of the embedded size take turns, so that a
machine that slows down slows them all: a ratio is the median of those of each round, whose arms ran
one after the other. Those of 350M, whose steps take minutes, run once. Of a run its median step
counts, after its first 4, or after its first where it is shorter.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from calcgen_ray import settings
from calcgen_ray.config import Config
from calcgen_ray.corpus.tokens import tokenise
from calcgen_ray.errors import RunError
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.train import journal
from calcgen_ray.train.batches import make_batches

NAME = "bench-scale"
STEPS, WARM, ROUNDS, ROWS = 14, 4, 5, 32
LARGE_ROWS, LARGE_BLOCK, LARGE_STEPS = 32, 512, 2
"""About so many rows of a worker's step: 8,192 places at the embedded size, as the article's 64
rows of 128; at 350M 16,384, where a recipe has 20 times as many."""
MAKE_LARGE = """
import sys
import torch
from transformers import CodeGenConfig, CodeGenForCausalLM
from calcgen_ray.model.loading import load_model_tokenizer
torch.manual_seed(0)
config = CodeGenConfig(n_embd=1024, n_layer=20, n_head=16, rotary_dim=32, vocab_size=51_200,
                       n_positions=2048, n_ctx=2048)
CodeGenForCausalLM(config).save_pretrained(sys.argv[1])
load_model_tokenizer("embedded").save_pretrained(sys.argv[1])
"""
"""CodeGen-350M with random weights: the config.json of Salesforce/codegen-350M-mono."""


@dataclass
class Arm:
    """One way to run. Of each run: its median step's seconds and useful tokens a second of all
    workers, and seconds from the command to step 1."""

    name: str
    workers: int
    ray: bool
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    def run(self, config: Config, corpus: Path, folder: Path) -> None:
        """Trains once more in a new folder.

        Raises:
            RunError: the command failed.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        path = folder.with_suffix(".yaml")
        path.write_text(settings.dump(config), "utf-8")
        plain = ["torch.distributed.run", "--standalone", f"--nproc-per-node={self.workers}", "-m",
                 "calcgen_ray.bench.alone", str(path), str(corpus), str(folder)]  # fmt: skip
        command = ["calcgen_ray", "train", str(path)] if self.ray else plain
        begin = time.time()
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RunError(f"{self.name}: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
        steps = [e for e in journal.read(folder / journal.JOURNAL) if e["event"] == "step"]
        self.first.append(steps[0]["time"] - begin)
        settled = steps[WARM:] or steps[1:]  # Ray's own processes are busy for some seconds more
        self.seconds.append(median(step["seconds"] for step in settled))
        self.rates.append(median(step["tokens"] / step["seconds"] for step in settled))
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Size:
    """A model's size: what changes in the configuration, and the rows of a worker's step."""

    changes: dict[str, Any]
    rows: int

    def of(self, config: Config, corpus: Path, workers: int) -> Config:
        """The run of so many workers: an epoch of one has twice the steps of an epoch of two.

        A plan deals an epoch's rows evenly over its steps, so that equal batches are not equal rows
        where the epochs' last steps differ.
        """
        config = settings.replace(
            config,
            {"run.name": NAME, "train.checkpoint_steps": 10_000, "train.valid_cells": 1,
             "workers.count": workers, "train.batch_size": self.rows, **self.changes},
        )  # fmt: skip
        single = settings.replace(config, {"train.batch_size": 1, "train.micro_batch_size": 1})
        cells = tokenise(corpus, "train", load_model_tokenizer(config.model, config.revision))
        rows = even_rows(make_batches(cells, single).steps_per_epoch, self.rows)
        return settings.replace(config, {"train.batch_size": rows * workers})


def even_rows(count: int, rows: int) -> int:
    """A batch for one worker that deals `count` rows evenly into an even number of steps.

    Of those the one whose steps have about `rows`.
    """
    steps = {batch: -(-count // batch) for batch in range(1, count)}
    even = (batch for batch, number in steps.items() if number % 2 == 0)
    return min(even, key=lambda batch: abs(count / steps[batch] - rows))


def bench_scale(
    config: Config, corpus: Path, say: Callable[[str], None], large: bool = True
) -> dict[str, Any]:
    """Measures at the embedded size, and with `large` at CodeGen-350M's with random weights.

    Returns speedup_embedded and speedup_350m (useful tokens a second, two workers over one),
    ray_over_torchrun (a step of two workers), ray_start_s (from the command to the first step,
    Ray's less torchrun's), and each arm's figures.
    """
    one, two = Arm("ray, 1 worker", 1, True), Arm("ray, 2 workers", 2, True)
    plain = Arm("torchrun, 2 workers", 2, False)
    arms, small = [one, two, plain], Size({"train.steps": STEPS}, ROWS)
    for number in range(ROUNDS):
        say(f"embedded size, round {number + 1} of {ROUNDS}")
        for arm in arms:
            arm.run(small.of(config, corpus, arm.workers), corpus, Path(config.run.storage) / NAME)
    found: dict[str, Any] = {
        "speedup_embedded": round(_ratio(two.rates, one.rates), 3),
        "ray_over_torchrun": round(_ratio(two.seconds, plain.seconds), 3),
        "ray_start_s": round(median(two.first) - median(plain.first), 1),
    }
    say(", ".join(f"{key} {value}" for key, value in found.items()))
    if large:
        big = _large(config, corpus, say)
        found["speedup_350m"] = round(_ratio(big[1].rates, big[0].rates), 3)
        arms += big
    found["arms"] = {
        arm.name: {"step_s": round(median(arm.seconds), 3),
                   "tokens_per_s": round(median(arm.rates)),
                   "first_step_s": round(median(arm.first), 1), "runs": len(arm.seconds)}
        for arm in arms
    }  # fmt: skip
    return found


def _large(config: Config, corpus: Path, say: Callable[[str], None]) -> list[Arm]:
    folder = Path(config.run.storage) / f"{NAME}-350m"
    # In a process of its own: what the making leaves behind is missed by two workers of 8 GB.
    subprocess.run([sys.executable, "-c", MAKE_LARGE, str(folder)], check=True, capture_output=True)
    size = Size(
        {"model": str(folder), "train.steps": LARGE_STEPS, "train.block_size": LARGE_BLOCK,
         "train.micro_batch_size": 4, "train.gradient_checkpointing": True}, LARGE_ROWS,
    )  # fmt: skip
    arms = [Arm("ray, 1 worker, 350M", 1, True), Arm("ray, 2 workers, 350M", 2, True)]
    for arm in arms:
        say(arm.name)
        arm.run(size.of(config, corpus, arm.workers), corpus, Path(config.run.storage) / NAME)
    shutil.rmtree(folder)
    return arms


def _ratio(these: list[float], those: list[float]) -> float:
    """The median over the rounds."""
    return median(mine / other for mine, other in zip(these, those, strict=True))
