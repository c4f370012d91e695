"""Cross-entropy of a linear head, with the gradient made on the way forward.

The logits of a chunk of tokens are turned in place into the gradient of the loss with respect to
them, and into the head's and the hidden states' gradients, before the next chunk: nothing of size
(N, V) is kept, and no second softmax is computed. The idea is Liger Kernel's (arXiv:2410.10989,
section 3.2); torch 2.13's `linear_cross_entropy` is the library form, which measures slower on a
CPU (`calcgen bench train`).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_TOKENS = 512


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor
) -> Tensor:
    """Sum of -log softmax(hidden @ weight.T + bias)[label] over tokens, in nats: a scalar.

    Args:
        hidden: (N, d).
        weight: (V, d).
        bias: (V,) or None.
        labels: (N,) int64, each a row of `weight`.

    Under autocast the products are taken in its dtype; softmax and sums are always in float32.
    """
    device = hidden.device.type
    mixed = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if mixed else hidden.dtype
    with torch.autocast(device, enabled=False):
        function: Any = _LinearCrossEntropy
        total: Tensor = function.apply(hidden, weight, bias, labels, dtype)
    return total


class _LinearCrossEntropy(torch.autograd.Function):
    """Saves three gradients of the inputs' sizes; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:  # fmt: skip
        wanted = any(ctx.needs_input_grad)
        states, head = hidden.to(dtype), weight.to(dtype)
        offset = None if bias is None else bias.to(dtype)
        of_states = torch.empty_like(states) if wanted else None
        of_head = torch.zeros_like(weight) if wanted else None
        of_bias = torch.zeros_like(bias) if wanted and bias is not None else None
        total = hidden.new_zeros((), dtype=torch.float32)
        for start in range(0, len(states), CHUNK_TOKENS):
            part, truth = states[start : start + CHUNK_TOKENS], labels[start : start + CHUNK_TOKENS]
            logits = F.linear(part, head, offset).float()  # (n, V)
            norm = logits.logsumexp(-1, keepdim=True)
            total += (norm - logits.gather(1, truth[:, None])).sum()
            if of_states is None or of_head is None:
                continue
            slope = logits.sub_(norm).exp_()  # softmax - one-hot: d loss / d logits
            slope.scatter_add_(1, truth[:, None], slope.new_full((len(part), 1), -1.0))
            if of_bias is not None:
                of_bias += slope.sum(0)
            slope = slope.to(dtype)
            of_states[start : start + len(part)] = slope @ head
            of_head += slope.t() @ part
        ctx.save_for_backward(of_states, of_head, of_bias)
        ctx.hidden_dtype = hidden.dtype
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:  # type: ignore[override]
        of_states, of_head, of_bias = ctx.saved_tensors
        scaled_bias = None if of_bias is None else of_bias * grad
        return of_states.to(ctx.hidden_dtype) * grad, of_head * grad, scaled_bias, None, None
