"""AdamW, and its state as safetensors."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from calcgen_ray.config import OptimConfig
from calcgen_ray.errors import CheckpointError


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


def save_state(optimizer: torch.optim.Optimizer, model: nn.Module, path: Path) -> None:
    """Writes each parameter's moments and step under the parameter's name."""
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}:{key}"] = value.detach().cpu().contiguous()
    save_file(tensors, path)


def load_state(optimizer: torch.optim.Optimizer, model: nn.Module, path: Path) -> None:
    """Reads what `save_state` wrote.

    Raises:
        CheckpointError: the file is missing or damaged, or names other parameters.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: optimizer state cannot be read: {error}") from None
    parameters = dict(model.named_parameters())
    for key, tensor in tensors.items():
        name, _, field = key.rpartition(":")
        if name not in parameters:
            raise CheckpointError(f"{path}: is of another model: it names {name!r}")
        where = "cpu" if field == "step" and parameters[name].device.type == "cpu" else None
        device = where or parameters[name].device
        optimizer.state[parameters[name]][field] = tensor.to(device)
