"""CodeGen's forward pass for packed rows, over the weights of transformers' own modules.

Several cells share a row; positions restart at each cell and no token attends across cells.
transformers' path is exact only with `use_cache=False` and without an attention mask, and has no
scaled_dot_product_attention for CodeGen; this one has both. Shapes: B rows, T tokens, H heads,
D head size, V vocabulary.

Source of the architecture: transformers/models/codegen/modeling_codegen.py (v5.23.0). We differ in
two ways: scores are computed in the autocast dtype rather than always in float32, and the rotary
angles are looked up once for all layers.
"""

from __future__ import annotations

from functools import partial
from types import MethodType
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from calcgen_ray.model.loss import linear_cross_entropy

Loss = Literal["fused", "chunked", "plain"]
Attention = Literal["auto", "sdpa", "matmul", "eager"]

IGNORE = -100
"""Label of a token that is not scored, as in torch's cross_entropy."""

_SHARDS = 4
"""qkv_proj's rows lie in four shards, each in the order q, v, k."""


class Rows(NamedTuple):
    """Rows of token ids and what is needed to keep their cells apart.

    `labels[b, t]` is the token that follows `input_ids[b, t]` in the same cell, or IGNORE.
    """

    input_ids: Tensor  # (B, T) int64
    position_ids: Tensor  # (B, T) int64, from 0 in each cell
    cell_ids: Tensor  # (B, T) int64, distinct within a row; -1 is padding
    labels: Tensor  # (B, T) int64

    def to(self, device: torch.device | str) -> Rows:
        return Rows(*(tensor.to(device, non_blocking=True) for tensor in self))


class PackedLM(nn.Module):
    """A causal language model of transformers that scores rows of cells.

    Args:
        model: `CodeGenForCausalLM`, or with attention="eager" any causal model of transformers
            that builds its mask from restarting `position_ids`.
        attention: "eager" is transformers' own path, the others are this file's: "sdpa" with
            torch's fused kernel, "matmul" with two matrix products. auto: matmul on a CPU under
            bf16, where the fused kernel is two to four times slower (calcgen bench train), else
            sdpa.
        loss: how the head's loss is computed: "fused" by `model.loss`, "chunked" by torch's
            linear_cross_entropy, "plain" from all logits. Each gives the same number.
        recompute: gradient checkpointing (arXiv:1604.06174): keep of each block its input alone,
            and compute the rest again on the way back: about a third more work for less memory.
    """

    def __init__(
        self,
        model: Any,
        attention: Attention = "auto",
        loss: Loss = "fused",
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.attention = attention if model.config.model_type == "codegen" else "eager"
        self.loss = loss
        if self.attention == "eager":
            if recompute:
                model.train()  # transformers recomputes in training mode alone
                model.gradient_checkpointing_enable({"use_reentrant": False})
            return
        for block in model.transformer.h:
            block.packed = MethodType(partial(_packed_block, recompute=recompute), block)

    def forward(self, rows: Rows, single: bool = False) -> Tensor:
        """Sum of the negative log-likelihoods of the labelled tokens, in nats: a scalar.

        `single` says that each row holds one cell from its start, so that the plain causal kernel
        serves.
        """
        hidden = self.hidden(rows, single).flatten(0, 1)  # (B*T, d)
        head = self.model.get_output_embeddings()
        labels = rows.labels.flatten()
        if self.loss == "chunked":
            options = nn.LinearCrossEntropyOptions()
            return F.linear_cross_entropy(
                hidden, head.weight, labels, linear_bias=head.bias, reduction="sum",
                ignore_index=IGNORE, options=options,
            )  # fmt: skip
        scored = labels != IGNORE
        if self.loss == "fused":
            return linear_cross_entropy(hidden[scored], head.weight, head.bias, labels[scored])
        logits = head(hidden[scored]).float()  # (scored, V)
        return F.cross_entropy(logits, labels[scored], reduction="sum")

    def blocks(self) -> nn.ModuleList:
        """The model's layers, each of which may be sharded by itself."""
        lists = [m for m in self.model.base_model.modules() if isinstance(m, nn.ModuleList)]
        return max(lists, key=lambda blocks: sum(p.numel() for p in blocks.parameters()))

    def token_losses(self, rows: Rows, single: bool = False) -> Tensor:
        """Negative log-likelihood of each token, in nats, 0 where none is scored: (B, T)."""
        logits = self.model.get_output_embeddings()(self.hidden(rows, single)).float()
        flat = F.cross_entropy(
            logits.flatten(0, 1), rows.labels.flatten(), reduction="none", ignore_index=IGNORE
        )
        return flat.view_as(rows.labels)

    def hidden(self, rows: Rows, single: bool = False) -> Tensor:
        """Last hidden states after the final norm: (B, T, d)."""
        if self.attention == "eager":
            # An attention mask or a cache would switch the block-diagonal mask off silently.
            out = self.model.base_model(
                input_ids=rows.input_ids, position_ids=rows.position_ids, use_cache=False
            )
            states: Tensor = out.last_hidden_state
            return states
        return _codegen_hidden(self.model.transformer, rows, single, self._kernel(rows))

    def _kernel(self, rows: Rows) -> Literal["sdpa", "matmul"]:
        if self.attention == "auto":
            device = rows.input_ids.device.type
            slow = device == "cpu" and torch.is_autocast_enabled("cpu")
            return "matmul" if slow else "sdpa"
        return "matmul" if self.attention == "matmul" else "sdpa"


def _codegen_hidden(body: Any, rows: Rows, single: bool, kernel: str) -> Tensor:
    mask = None if single and kernel == "sdpa" else block_mask(rows.cell_ids)
    x = body.drop(body.wte(rows.input_ids))  # (B, T, d)
    sin, cos = body.h[0].attn.embed_positions.to(x.device)[rows.position_ids].chunk(2, dim=-1)
    angles = sin[:, :, None], cos[:, :, None]  # (B, T, 1, R/2), R rotated dimensions
    for block in body.h:
        x = block.packed(x, angles, mask, kernel)
    normed_out: Tensor = body.ln_f(x)
    return normed_out


def _packed_block(
    block: Any,
    x: Tensor,
    angles: tuple[Tensor, Tensor],
    mask: Tensor | None,
    kernel: str,
    recompute: bool = False,
) -> Tensor:
    if recompute and torch.is_grad_enabled():
        out: Tensor = checkpoint(_block, block, x, angles, mask, kernel, use_reentrant=False)
        return out
    return _block(block, x, angles, mask, kernel)


def _block(
    block: Any, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, kernel: str
) -> Tensor:
    normed = block.ln_1(x)
    return x + _attend(block.attn, normed, angles, mask, kernel) + _feed_forward(block.mlp, normed)


def block_mask(cell_ids: Tensor) -> Tensor:
    """True where a query (row) may see a key (column): same cell, not later. (B, 1, T, T) bool."""
    T = cell_ids.shape[1]
    same = cell_ids[:, :, None] == cell_ids[:, None, :]
    causal = torch.ones(T, T, dtype=torch.bool, device=cell_ids.device).tril()
    return (same & causal)[:, None]


def _feed_forward(mlp: Any, x: Tensor) -> Tensor:
    if mlp.act.__class__.__name__ != "NewGELUActivation":
        out: Tensor = mlp(x)
        return out
    # gelu_new is the tanh form, which torch has as one kernel and transformers as eight.
    dropped: Tensor = mlp.dropout(mlp.fc_out(F.gelu(mlp.fc_in(x), approximate="tanh")))
    return dropped


def _attend(
    attn: Any, x: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, kernel: str
) -> Tensor:
    B, T, _ = x.shape
    H, D = attn.num_attention_heads, attn.head_dim
    qvk = attn.qkv_proj(x).view(B, T, _SHARDS, 3, H // _SHARDS, D)
    q, v, k = (part.reshape(B, T, H, D) for part in qvk.unbind(3))
    q, k = (rotate(part, *angles).transpose(1, 2) for part in (q, k))
    v = v.transpose(1, 2)  # (B, H, T, D)
    dropout = attn.attn_dropout.p if attn.training else 0.0
    if kernel == "matmul":
        assert mask is not None
        y = _matmul_attention(q, k, v, mask, dropout)
    else:
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=mask is None
        )
    y = attn.out_proj(y.transpose(1, 2).reshape(B, T, H * D))
    out: Tensor = attn.resid_dropout(y)
    return out


def _matmul_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, dropout: float) -> Tensor:
    bias = torch.zeros_like(mask, dtype=q.dtype).masked_fill_(~mask, torch.finfo(q.dtype).min)
    # Autocast would run the softmax in float32, over B*H*T*T scores: a third of the layer's time.
    with torch.autocast(q.device.type, enabled=False):
        scores = torch.matmul(q * q.shape[-1] ** -0.5, k.transpose(-1, -2))  # (B, H, T, T)
        weights = torch.softmax(scores + bias, dim=-1)
        return torch.matmul(F.dropout(weights, dropout), v)


def rotate(x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    """Rotary position embedding on interleaved pairs of the first R dimensions of each head.

    Args:
        x: (B, T, H, D).
        sin, cos: (B, T, 1, R/2).

    Source: RoFormer, arXiv:2104.09864, eq. 34, in GPT-J's interleaved layout.
    """
    rotated = 2 * sin.shape[-1]
    even, odd = x[..., 0:rotated:2], x[..., 1:rotated:2]
    sin, cos = sin.to(x.dtype), cos.to(x.dtype)
    turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)
    return torch.cat((turned, x[..., rotated:]), dim=-1)
