"""AdamW, and its state by the parameters' names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from calcgen_ray.train.parallel import spread_as
from calcgen_ray.training_config import OptimConfig


def make_optimizer(model: nn.Module, optim: OptimConfig) -> torch.optim.AdamW:
    """AdamW with decoupled weight decay (arXiv:1711.05101) on matrices only, or on all.

    Norms and biases have one dimension; decaying them pulls scales towards zero for nothing.
    """
    named = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in named if optim.decay == "all" or p.ndim >= 2]
    others = [p for p in named if not (optim.decay == "all" or p.ndim >= 2)]
    groups = [
        {"params": decayed, "weight_decay": optim.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=optim.lr,
        betas=(optim.beta1, optim.beta2),
        eps=optim.eps,
        fused=True,
    )


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Each parameter's moments and step, as `name:key`; spread as the parameter is."""
    return {
        f"{name}:{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def put_state(optimizer: torch.optim.Optimizer, parameter: Tensor, key: str, value: Tensor) -> None:
    """Sets one parameter's moment or step from the whole tensor."""
    count = value.ndim == 0  # of steps: it lies, whole, where the fused kernel wants it
    placed = value.to(parameter.device) if count else spread_as(value, parameter)
    optimizer.state[parameter][key] = placed
