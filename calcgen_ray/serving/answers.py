"""The bodies that go back, exactly OpenAI's."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from calcgen_ray.problem import Completion


def text_completion(
    model: str, fingerprint: str, groups: Sequence[Sequence[Completion]]
) -> dict[str, Any]:
    """The answer to a completion request; choice k of prompt i has the index i * n + k."""
    flat = [completion for group in groups for completion in group]
    asked = sum(group[0].prompt_tokens for group in groups)
    made = sum(completion.completion_tokens for completion in flat)
    return {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": fingerprint,
        "choices": [
            {
                "index": index,
                "text": completion.text,
                "logprobs": None,
                "finish_reason": completion.finish_reason,
            }
            for index, completion in enumerate(flat)
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": made,
            "total_tokens": asked + made,
        },
    }


def model_card(model: str, created: int, max_tokens_total: int) -> dict[str, Any]:
    """One model of `GET /v1/models`. `max_model_len` is vLLM's name for n_positions."""
    return {
        "id": model,
        "object": "model",
        "created": created,
        "owned_by": "calcgen-ray",
        "max_model_len": max_tokens_total,
    }
