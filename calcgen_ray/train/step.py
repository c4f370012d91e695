"""One optimizer step, in pure torch: the same result however its rows are spread.

The loss of a step is the sum over all its tokens divided by their number, whatever the number of
workers and of accumulated passes; so N passes of one row equal one pass of N rows. (The mean of
means, which most trainers take, weighs a token by how empty its row is: transformers PR 34191.)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule

from calcgen_ray.model.packed import Rows
from calcgen_ray.train.parallel import clear_gradients, whole


@dataclass(frozen=True, slots=True)
class StepResult:
    """Sum of this worker's losses in nats, and the gradient's norm before clipping."""

    nats: float
    grad_norm: float


def train_step(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    passes: Sequence[Rows],
    *,
    tokens: int,
    clip: float | None = 1.0,
    autocast: bool = False,
    single: bool = False,
) -> StepResult:
    """Forward, backward and update over one worker's share of a step.

    Args:
        module: `PackedLM` as `parallel.distribute` gives it, which sums gradients over workers.
        passes: rows of each forward pass, already on the device; the gradient is exchanged once,
            with the last.
        tokens: scored tokens of the whole step, over all workers and passes.
        single: each row holds one cell from its start.
    """
    nats = 0.0
    for number, rows in enumerate(passes):
        with _sync(module, last=number == len(passes) - 1):
            device = rows.input_ids.device.type
            with torch.autocast(device, torch.bfloat16, enabled=autocast):
                loss = module(rows, single)
            (loss / tokens).backward()
        nats += float(loss.detach())
    limit = float("inf") if clip is None else clip
    norm = nn.utils.clip_grad_norm_(module.parameters(), limit)
    optimizer.step()
    clear_gradients(module)
    return StepResult(nats, float(whole(norm)))


def _sync(module: nn.Module, last: bool) -> AbstractContextManager[None]:
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(last)
    no_sync = getattr(module, "no_sync", None)
    return nullcontext() if last or no_sync is None else no_sync()
