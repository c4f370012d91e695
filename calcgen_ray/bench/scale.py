"""Two workers over one, and Ray over plain torchrun: each arm is a command of its own.

A worker has the same rows a step whatever their number (weak scaling, as a cluster is used), but
for one, a thread, and the machine's number format. The arms of the embedded size live at once and
take turns of seconds (`bench/turns.py`), so that a machine that slows down slows them all. Three
workers of 350M do not fit 24 GB: of that size two workers run before and after one, so that a
machine that slows down evenly changes nothing. Of a run its steps count together, after the first
ones; a ratio is the median of the rounds', at 350M that of both arms' medians.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from calcgen_ray import settings
from calcgen_ray.bench.cores import cores_speedup
from calcgen_ray.bench.turns import Runner, runners, take_turns
from calcgen_ray.config import Config
from calcgen_ray.corpus.tokens import tokenise
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.train import journal
from calcgen_ray.train.batches import make_batches

NAME = "bench-scale"
ROUNDS, TURN_SECONDS = 3, 5.0
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
    """One way to run. Of each run: its settled steps' mean seconds, the useful tokens a second of
    all workers in them, and seconds from the command to the end of step 1."""

    name: str
    workers: int
    ray: bool
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    def command(self, config: Config, corpus: Path, folder: Path) -> list[str]:
        """Of a training in a new folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        path = folder.with_suffix(".yaml")
        path.write_text(settings.dump(config), "utf-8")
        plain = ["torch.distributed.run", "--standalone", f"--nproc-per-node={self.workers}", "-m",
                 "calcgen_ray.bench.alone", str(path), str(corpus), str(folder)]  # fmt: skip
        command = ["calcgen_ray", "train", str(path)] if self.ray else plain
        return [sys.executable, "-m", *command]

    def add(self, runner: Runner, steps: Sequence[journal.Entry], warm: int) -> None:
        """Takes in the steps of a run that has ended; the first `warm` have not settled."""
        self.first.append(runner.active(runner.turns[0][0], steps[0]["time"]))
        settled = steps[warm:]
        active = sum(
            runner.active(step["time"] - step["seconds"], step["time"]) for step in settled
        )
        self.seconds.append(active / len(settled))
        self.rates.append(sum(step["tokens"] for step in settled) / active)

    def figures(self) -> dict[str, float]:
        """Medians over the runs, to be read."""
        return {"step_s": round(median(self.seconds), 3),
                "tokens_per_s": round(median(self.rates)),
                "first_step_s": round(median(self.first), 1),
                "runs": len(self.seconds)}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """A model's size: what changes in the configuration, about how many rows a worker's step has,
    and of a run's steps the number, and that of the first ones, which do not count."""

    changes: dict[str, Any]
    rows: int
    steps: int
    warm: int

    def of(self, config: Config, corpus: Path, workers: int) -> Config:
        """The run of so many workers: an epoch of one has twice the steps of an epoch of two.

        A plan deals an epoch's rows evenly over its steps, so that equal batches are not equal rows
        where the epochs' last steps differ.
        """
        config = settings.replace(
            config,
            {"train.checkpoint_steps": 10_000, "train.valid_cells": 1,
             "workers.count": workers, "train.batch_size": self.rows,
             "train.steps": self.steps, **self.changes},
        )  # fmt: skip
        single = settings.replace(config, {"train.batch_size": 1, "train.micro_batch_size": 1})
        cells = tokenise(corpus, "train", load_model_tokenizer(config.model, config.revision))
        rows = even_rows(make_batches(cells, single).steps_per_epoch, self.rows)
        return settings.replace(config, {"train.batch_size": rows * workers})


SMALL = Size({}, rows=32, steps=24, warm=4)
"""Some 8,192 places a worker's step, as the article's 64 rows of 128."""
LARGE = Size(
    {"train.block_size": 512, "train.micro_batch_size": 4, "train.gradient_checkpointing": True},
    rows=16, steps=3, warm=2,
)  # fmt: skip
"""As many places, where a recipe has 30 times as many. The first step makes AdamW's moments, so
that the second, too, touches gigabytes that a virtual machine must ask its host for."""


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
    Ray's less torchrun's), speedup_cores (what bounds them: `bench/cores.py`, before each round;
    speedup_cores_350m before each arm), and each arm's figures.
    """
    one, two = Arm("ray, 1 worker", 1, True), Arm("ray, 2 workers", 2, True)
    plain = Arm("torchrun, 2 workers", 2, False)
    arms = [one, two, plain]
    bounds = []
    for number in range(ROUNDS):
        bounds.append(_bound(say))
        say(f"embedded size, round {number + 1} of {ROUNDS}")
        race(arms[number:] + arms[:number], SMALL, config, corpus)
    found: dict[str, Any] = {
        "speedup_embedded": round(_ratio(two.rates, one.rates), 3),
        "ray_over_torchrun": round(_ratio(two.seconds, plain.seconds), 3),
        "ray_start_s": round(median(two.first) - median(plain.first), 1),
        "speedup_cores": median(bounds),
    }
    say(", ".join(f"{key} {value}" for key, value in found.items()))
    if large:
        one, two, bounds = _large(config, corpus, say)
        found["speedup_350m"] = round(median(two.rates) / median(one.rates), 3)
        found["speedup_cores_350m"] = median(bounds)
        arms += [one, two]
    return found | {"arms": {arm.name: arm.figures() for arm in arms}}


def race(arms: Sequence[Arm], size: Size, config: Config, corpus: Path) -> None:
    """Runs each arm once, all by turns, and takes in their figures.

    Each begins alone, and is held once its first steps are done.

    Raises:
        RunError: one failed.
    """
    folders = [Path(config.run.storage) / f"{NAME}-{n}" for n in range(len(arms))]
    commands = {}
    for arm, folder in zip(arms, folders, strict=True):
        own = settings.replace(size.of(config, corpus, arm.workers), {"run.name": folder.name})
        commands[arm.name] = arm.command(own, corpus, folder)
    with runners(commands) as racing:
        for runner, folder in zip(racing, folders, strict=True):
            runner.turn(partial(_settled, folder, size.warm))
        take_turns(racing, TURN_SECONDS)
    for number, arm in enumerate(arms):
        arm.add(racing[number], _steps(folders[number]), size.warm)
    for folder in folders:
        shutil.rmtree(folder)


def _settled(folder: Path, warm: int) -> bool:
    """Whether a run has begun, and done its first steps."""
    entries = journal.read(folder / journal.JOURNAL)
    return sum(entry["event"] in ("start", "step") for entry in entries) > warm


def _steps(folder: Path) -> list[journal.Entry]:
    return [e for e in journal.read(folder / journal.JOURNAL) if e["event"] == "step"]


def _large(
    config: Config, corpus: Path, say: Callable[[str], None]
) -> tuple[Arm, Arm, list[float]]:
    """One worker does in two steps what two do in one: the arms' steps have the same rows."""
    folder = Path(config.run.storage) / f"{NAME}-350m"
    # In a process of its own: what the making leaves behind is missed by two workers of 10 GB.
    subprocess.run([sys.executable, "-c", MAKE_LARGE, str(folder)], check=True, capture_output=True)
    size = replace(LARGE, changes={**LARGE.changes, "model": str(folder)})
    one, two = Arm("ray, 1 worker, 350M", 1, True), Arm("ray, 2 workers, 350M", 2, True)
    bounds = []
    for arm in (two, one, two):
        bounds.append(_bound(say))
        say(arm.name)
        times = 2 // arm.workers
        race([arm], replace(size, steps=times * size.steps, warm=times * size.warm), config, corpus)
    shutil.rmtree(folder)
    return one, two, bounds


def _bound(say: Callable[[str], None]) -> float:
    found = round(cores_speedup(), 3)
    say(f"two cores, without a model: {found} times one")
    return found


def _ratio(these: list[float], those: list[float]) -> float:
    """The median over the rounds."""
    return median(mine / other for mine, other in zip(these, those, strict=True))
