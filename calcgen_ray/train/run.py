"""A run's folder: its configuration, its lock, and what its journal says in the end."""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcgen_ray import settings
from calcgen_ray.config import Config
from calcgen_ray.errors import ConfigError, TrainingError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.train import journal
from calcgen_ray.train.kept import CHECKPOINTS

CONFIG = "config.yaml"
WEIGHTS = ("model", "revision", "corpus.", "architecture.", "train.", "optim.", "run.seed")
FREE = (
    "corpus.processes",
    "train.keep_checkpoints",
    "train.log_steps",
    "train.gradient_checkpointing",
    "train.sharded_checkpoints",
)
"""What a run's weights depend on, and the keys among them that may change when it goes on."""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a finished run came to. Losses in nats per token; perplexities on validation cells."""

    folder: Path
    checkpoint: Path
    steps: int
    workers: int
    device: str
    precision: str
    loss_initial: float
    loss_final: float
    perplexity_initial: float | None
    perplexity_final: float | None
    useful_tokens_per_s: float
    pad_fraction: float
    seconds: float


def prepare(config: Config, folder: Path) -> None:
    """Makes the run's folder and writes the configuration into it.

    Raises:
        ConfigError: the folder holds a run of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CONFIG
    old = _parsed(path)
    if old is not None:
        _refuse_change(config, old, folder)
    write_whole(path, settings.dump(config))


def write_whole(path: Path, text: str) -> None:
    """Writes a file whole or not at all, also when the machine stops."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, path)


def _parsed(path: Path) -> dict[str, Any] | None:
    """None where nothing can be read: a file that a full disk or a crash cut off stops no run."""
    try:
        return settings.parse(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError, ConfigError):
        return None


def _refuse_change(config: Config, old: Mapping[str, Any], folder: Path) -> None:
    was, now = dict(flatten(old)), dict(flatten(config.model_dump(mode="json")))
    for key, value in now.items():
        if key.startswith(WEIGHTS) and key not in FREE and was.get(key) != value:
            raise ConfigError(
                f"run {folder.name!r} was made with {key}={was.get(key)!r}, now it is {value!r}; "
                "choose another run.name, or delete the folder to start anew"
            )


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of a tree."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the run's lock.

    Raises:
        ConfigError: another process holds it.
    """
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"run {folder.name!r} is under way in another process; choose another run.name"
            ) from None
        yield


def is_finished(folder: Path) -> bool:
    entries = journal.read(folder / journal.JOURNAL)
    return bool(entries) and entries[-1]["event"] == "end"


def result(folder: Path) -> TrainResult:
    """Reads the result of a finished run from its journal and checkpoints.

    Raises:
        TrainingError: it has no step or no checkpoint.
    """
    entries = journal.read(folder / journal.JOURNAL)
    starts = [e for e in entries if e["event"] == "start"]
    steps = [e for e in entries if e["event"] == "step"]
    scores = [e["perplexity"] for e in entries if e.get("perplexity") is not None]
    root = folder / CHECKPOINTS
    found = checkpoints.best(root) or checkpoints.latest(root)
    if not starts or not steps or found is None:
        raise TrainingError(f"{folder}: the run left no checkpoint; see ray.log beside it")
    if not all(math.isfinite(step["loss"]) for step in steps[-1:]):
        raise TrainingError(f"{folder}: the loss is not finite; lower optim.lr")
    # The first steps carry one-time costs (page faults, kernels chosen): the median is steady.
    rates = sorted(step["tokens"] / step["seconds"] for step in steps)
    return TrainResult(
        folder=folder,
        checkpoint=found.path,
        steps=len(steps),
        workers=starts[-1]["workers"],
        device=starts[-1]["device"],
        precision=starts[-1]["precision"],
        loss_initial=steps[0]["loss"],
        loss_final=steps[-1]["loss"],
        perplexity_initial=scores[0] if scores else None,
        perplexity_final=scores[-1] if scores else None,
        useful_tokens_per_s=rates[len(rates) // 2],
        pad_fraction=starts[-1]["pad_fraction"],
        seconds=sum(step["seconds"] for step in steps),
    )
