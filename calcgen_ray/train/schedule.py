"""The learning rate as a function of the step alone."""

from __future__ import annotations

import math

from calcgen_ray.training_config import OptimConfig


def learning_rate(step: int, total: int, optim: OptimConfig) -> float:
    """Learning rate of the optimizer step with that number, from 0.

    Linear warm-up over `warmup_fraction` of the steps, then a cosine half-wave (SGDR,
    arXiv:1608.03983, eq. 5, one period), a straight line, or nothing, down to `min_lr_fraction`.
    """
    warmup = round(optim.warmup_fraction * total)
    if step < warmup:
        return optim.lr * (step + 1) / warmup
    if optim.schedule == "constant":
        return optim.lr
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    left = (1 + math.cos(math.pi * done)) / 2 if optim.schedule == "cosine" else 1 - done
    return optim.lr * (optim.min_lr_fraction + (1 - optim.min_lr_fraction) * left)
