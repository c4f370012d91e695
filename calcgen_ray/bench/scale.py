"""Two workers over one, and Ray over plain torchrun: each arm is a command of its own.

A worker has the same rows a step whatever their number (weak scaling, as a cluster is used), but
for one, a thread, and the machine's number format. The arms of the embedded size live at once and
take turns of seconds (`bench/turns.py`), so that a machine that slows down slows them all. Three
workers of 350M do not fit 24 GB: of that size one arm runs after the other, each by turns with one
and the same small command, whose speed is the machine's pace and divides the arm's. Of a run its
steps count together, after the first ones; a ratio is the median of the rounds'.
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


Pace = Callable[[float, float], float]
"""Useful tokens a second of a reference between two times."""


@dataclass
class Arm:
    """One way to run. Of each run: its settled steps' mean seconds and the useful tokens a second
    of all workers in them, seconds from the command to the end of step 1, and the useful tokens a
    second of a reference in the same minutes, 1 where there is none."""

    name: str
    workers: int
    ray: bool
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    paces: list[float] = field(default_factory=list)

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

    def add(
        self, runner: Runner, steps: Sequence[journal.Entry], warm: int, pace: Pace | None = None
    ) -> None:
        """Takes in the steps of a run that has ended; the first `warm` have not settled."""
        self.first.append(runner.active(runner.turns[0][0], steps[0]["time"]))
        settled = steps[warm:]
        self.seconds.append(_active(runner, settled) / len(settled))
        self.rates.append(_rate(runner, settled))
        self.paces.append(pace(_begin(settled[0]), settled[-1]["time"]) if pace else 1.0)

    @property
    def speeds(self) -> list[float]:
        """Of each run its rate over the reference's."""
        return [rate / pace for rate, pace in zip(self.rates, self.paces, strict=True)]

    def figures(self) -> dict[str, float]:
        """Medians over the runs, to be read."""
        found = {"step_s": round(median(self.seconds), 3),
                 "tokens_per_s": round(median(self.rates)),
                 "first_step_s": round(median(self.first), 1),
                 "runs": len(self.seconds)}  # fmt: skip
        pace = median(self.paces)
        return found if pace == 1.0 else found | {"reference_tokens_per_s": round(pace)}


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
    rows=8, steps=2, warm=1,
)  # fmt: skip
"""Some 4,096 places, where a recipe has 60 times as many. The first step makes AdamW's moments and
touches its gigabytes for the first time, which a virtual machine must ask its host for."""
PACE = Size({}, rows=8, steps=100_000, warm=4)
"""Of the reference: it runs for as long as it is wanted."""


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
    arms = [one, two, plain]
    for number in range(ROUNDS):
        say(f"embedded size, round {number + 1} of {ROUNDS}")
        race(arms[number:] + arms[:number], SMALL, config, corpus)
    found: dict[str, Any] = {
        "speedup_embedded": round(_ratio(two.speeds, one.speeds), 3),
        "ray_over_torchrun": round(_ratio(two.seconds, plain.seconds), 3),
        "ray_start_s": round(median(two.first) - median(plain.first), 1),
    }
    say(", ".join(f"{key} {value}" for key, value in found.items()))
    if large:
        big = _large(config, corpus, say)
        found["speedup_350m"] = round(_ratio(big[1].speeds, big[0].speeds), 3)
        arms += big
    return found | {"arms": {arm.name: arm.figures() for arm in arms}}


def race(
    arms: Sequence[Arm], size: Size, config: Config, corpus: Path, paced: bool = False
) -> None:
    """Runs each arm once, all by turns, and takes in their figures.

    Each begins alone, and is held once its first steps are done.

    Args:
        paced: a reference has turns between theirs, and tells the machine's pace.

    Raises:
        RunError: one failed.
    """
    entrants = [(arm, size) for arm in arms]
    if paced:
        entrants.append((Arm("torchrun, 1 worker, the reference", 1, False), PACE))
    folders = [Path(config.run.storage) / f"{NAME}-{n}" for n in range(len(entrants))]
    commands = {}
    for (arm, its), folder in zip(entrants, folders, strict=True):
        own = settings.replace(its.of(config, corpus, arm.workers), {"run.name": folder.name})
        commands[arm.name] = arm.command(own, corpus, folder)
    with runners(commands) as racing:
        for runner, folder, (_, its) in zip(racing, folders, entrants, strict=True):
            runner.turn(partial(_settled, folder, its.warm))
        take_turns(racing[: len(arms)], TURN_SECONDS, racing[-1] if paced else None)
    pace = partial(_pace, racing[-1], _steps(folders[-1])) if paced else None
    for number, arm in enumerate(arms):
        arm.add(racing[number], _steps(folders[number]), size.warm, pace)
    for folder in folders:
        shutil.rmtree(folder)


def _settled(folder: Path, warm: int) -> bool:
    """Whether a run has begun, and done its first steps."""
    entries = journal.read(folder / journal.JOURNAL)
    return sum(entry["event"] in ("start", "step") for entry in entries) > warm


def _steps(folder: Path) -> list[journal.Entry]:
    return [e for e in journal.read(folder / journal.JOURNAL) if e["event"] == "step"]


def _begin(step: journal.Entry) -> float:
    return float(step["time"] - step["seconds"])


def _active(runner: Runner, steps: Sequence[journal.Entry]) -> float:
    return sum(runner.active(_begin(step), step["time"]) for step in steps)


def _rate(runner: Runner, steps: Sequence[journal.Entry]) -> float:
    """Useful tokens a second of all workers."""
    tokens: int = sum(step["tokens"] for step in steps)
    return tokens / _active(runner, steps)


def _pace(runner: Runner, steps: Sequence[journal.Entry], begin: float, end: float) -> float:
    """The rate of those steps that lie between two times; of all, where none is as short."""
    within = [step for step in steps if begin <= _begin(step) < step["time"] <= end]
    return _rate(runner, within or steps[PACE.warm :])


def _large(config: Config, corpus: Path, say: Callable[[str], None]) -> list[Arm]:
    """One worker does in two steps what two do in one: the arms' steps have the same rows."""
    folder = Path(config.run.storage) / f"{NAME}-350m"
    # In a process of its own: what the making leaves behind is missed by two workers of 8 GB.
    subprocess.run([sys.executable, "-c", MAKE_LARGE, str(folder)], check=True, capture_output=True)
    size = replace(LARGE, changes={**LARGE.changes, "model": str(folder)})
    arms = [Arm("ray, 1 worker, 350M", 1, True), Arm("ray, 2 workers, 350M", 2, True)]
    for arm in arms:
        say(arm.name)
        times = 2 // arm.workers
        own = replace(size, steps=times * size.steps, warm=times * size.warm)
        race([arm], own, config, corpus, paced=True)
    shutil.rmtree(folder)
    return arms


def _ratio(these: list[float], those: list[float]) -> float:
    """The median over the rounds."""
    return median(mine / other for mine, other in zip(these, those, strict=True))
