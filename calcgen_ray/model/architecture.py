"""New CodeGen models with random weights."""

from __future__ import annotations

from typing import Any

from calcgen_ray.training_config import ArchitectureConfig


def new_model(wanted: ArchitectureConfig, tokenizer: Any, seed: int) -> Any:
    """A CodeGen model in float32 for that tokenizer, its weights drawn from `seed`.

    Half of each head's dimensions are rotated, as in CodeGen-350M (32 of 64). No dropout: each text
    is seen a few times only. Source: transformers' CodeGenConfig; arXiv:2203.13474.
    """
    import torch
    from transformers import CodeGenConfig, CodeGenForCausalLM

    end = tokenizer.eos_token_id
    config = CodeGenConfig(
        vocab_size=len(tokenizer),
        n_positions=wanted.positions,
        n_ctx=wanted.positions,
        n_embd=wanted.width,
        n_layer=wanted.layers,
        n_head=wanted.heads,
        rotary_dim=wanted.width // wanted.heads // 4 * 2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
    )
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = CodeGenForCausalLM(config)
    torch.set_rng_state(state)
    return model
