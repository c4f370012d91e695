"""What a checkpoint keeps of a training: weights, AdamW's state, and where it was.

    model.safetensors              whole weights, as transformers reads them; not in a sharded one
    training/optimizer.safetensors whole moments, `name:key`
    training/part-00001-of-00002.safetensors   of a sharded one: a worker's rows of every weight
                                   (`name`) and moment (`name:key`); joined in order they are whole
    training/state.json            step, number of workers, configuration

A sharded checkpoint is written by all workers at once and needs no worker to hold the whole model's
state. It can be read by any number of workers, and with or without FSDP.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calcgen_ray.errors import CheckpointError
from calcgen_ray.model.checkpoint import TRAINING
from calcgen_ray.train.optimizer import optimizer_tensors, put_state
from calcgen_ray.train.parallel import local, spread_as, whole

OPTIMIZER = f"{TRAINING}/optimizer.safetensors"
STATE = f"{TRAINING}/state.json"
PARTS = "part-*.safetensors"


def is_sharded(folder: Path) -> bool:
    return any((folder / TRAINING).glob(PARTS))


Whole = tuple[dict[str, Tensor], dict[str, Tensor]]
"""Weights by name, moments by `name:key`."""


def gather(model: Any, optimizer: torch.optim.Optimizer, keep: bool) -> Whole:
    """Whole weights and whole moments, on the CPU, one gathered at a time.

    All workers call it; those without `keep` get none.
    """
    found: Whole = ({}, {})
    for kept, tensors in zip(
        found, (model.state_dict(), optimizer_tensors(optimizer, model)), strict=True
    ):
        for name, tensor in tensors.items():
            full = whole(tensor.detach())
            if keep:
                kept[name] = full.cpu().contiguous()
    return found


def write_whole(folder: Path, model: Any, tensors: Whole) -> None:
    """Writes what `gather` gave."""
    from safetensors.torch import save_file

    weights, moments = tensors
    model.save_pretrained(folder, state_dict=weights)
    (folder / TRAINING).mkdir()
    save_file(moments, folder / OPTIMIZER)


def write_part(
    folder: Path, model: Any, optimizer: torch.optim.Optimizer, rank: int, world_size: int
) -> None:
    """Writes one worker's part of a sharded checkpoint."""
    from safetensors.torch import save_file

    tensors = {**dict(model.named_parameters()), **optimizer_tensors(optimizer, model)}
    mine = {name: local(t.detach()).cpu().contiguous() for name, t in tensors.items()}
    (folder / TRAINING).mkdir(exist_ok=True)
    save_file(mine, folder / TRAINING / f"part-{rank + 1:05d}-of-{world_size:05d}.safetensors")


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    (folder / STATE).write_text(json.dumps(state, indent=1) + "\n", "utf-8")


def restore(folder: Path, model: Any, optimizer: torch.optim.Optimizer) -> None:
    """Puts a checkpoint's moments into the optimizer; of a sharded one the weights into the model.

    Raises:
        CheckpointError: a file is missing or damaged, or names other parameters.
    """
    parameters = dict(model.named_parameters())
    for key, value in _tensors(folder):
        name, _, field = key.partition(":")
        if name not in parameters:
            raise CheckpointError(f"{folder}: is of another model: it names {name!r}")
        if field:
            put_state(optimizer, parameters[name], field, value)
        else:
            with torch.no_grad():
                parameters[name].copy_(spread_as(value, parameters[name]))


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and whole tensors of a checkpoint's training state, one at a time."""
    from safetensors import SafetensorError, safe_open

    sharded = is_sharded(folder)
    paths = sorted((folder / TRAINING).glob(PARTS)) if sharded else [folder / OPTIMIZER]
    with ExitStack() as stack:
        try:
            files = [stack.enter_context(safe_open(path, "pt")) for path in paths]
            for key in files[0].keys():  # noqa: SIM118
                yield key, _joined([file.get_tensor(key) for file in files])
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{folder / TRAINING}: the training's state cannot be read: {error}"
            ) from None


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts) if parts[0].ndim and len(parts) > 1 else parts[0]
