"""The bodies that go back, exactly OpenAI's; what is ours stands in the field `calcgen`."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calcgen_ray.problem import Completion


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the texts that go back, in OpenAI's order: choice k of prompt i is i * n + k."""

    text: str
    finish_reason: str
    logprobs: Any = None
    calcgen: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What every body or chunk of an answer begins with."""

    id: str
    object: str
    created: int
    model: str
    system_fingerprint: str

    @classmethod
    def new(cls, kind: str, model: str, fingerprint: str) -> Head:
        prefix = "cmpl" if kind == "text_completion" else "chatcmpl"
        ident = f"{prefix}-{uuid.uuid4().hex}"
        return cls(ident, kind, int(time.time()), model, fingerprint)

    def body(self, **more: Any) -> dict[str, Any]:
        return {"id": self.id, "object": self.object, "created": self.created, "model": self.model,
                "system_fingerprint": self.system_fingerprint, **more}  # fmt: skip


def usage(asked: int, made: int) -> dict[str, int]:
    return {"prompt_tokens": asked, "completion_tokens": made, "total_tokens": asked + made}


def usage_of(groups: Sequence[Sequence[Completion]]) -> dict[str, int]:
    """Each prompt is counted once, every token that was made for it counts."""
    asked = sum(group[0].prompt_tokens for group in groups)
    return usage(asked, sum(one.completion_tokens for group in groups for one in group))


def text_completion(
    head: Head, choices: Sequence[Choice], used: Mapping[str, int]
) -> dict[str, Any]:
    """The answer of `/v1/completions`."""
    listed = [
        {"index": index, "text": choice.text, "logprobs": choice.logprobs,
         "finish_reason": choice.finish_reason, **_ours(choice)}
        for index, choice in enumerate(choices)
    ]  # fmt: skip
    return head.body(choices=listed, usage=used)


def chat_completion(
    head: Head, choices: Sequence[Choice], used: Mapping[str, int]
) -> dict[str, Any]:
    """The answer of `/v1/chat/completions`."""
    listed = [
        {"index": index, "message": {"role": "assistant", "content": choice.text, "refusal": None},
         "logprobs": None, "finish_reason": choice.finish_reason, **_ours(choice)}
        for index, choice in enumerate(choices)
    ]  # fmt: skip
    return head.body(choices=listed, usage=used)


def text_chunk(head: Head, index: int, text: str, reason: str | None) -> dict[str, Any]:
    """A chunk of a streamed completion."""
    choice = {"index": index, "text": text, "logprobs": None, "finish_reason": reason}
    return head.body(choices=[choice])


def chat_chunk(head: Head, index: int, text: str, reason: str | None) -> dict[str, Any]:
    """A chunk of a streamed chat."""
    return _delta(head, index, {"content": text}, reason)


def chat_beginning(head: Head, index: int) -> dict[str, Any]:
    """The first one, the only one with a role: OpenAI's client joins what the chunks have."""
    return _delta(head, index, {"role": "assistant", "content": ""}, None)


def _delta(head: Head, index: int, delta: Mapping[str, str], reason: str | None) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
    return head.body(choices=[choice])


def event(body: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode()


def model_card(model: str, created: int, max_tokens_total: int) -> dict[str, Any]:
    """One model of `GET /v1/models`. `max_model_len` is vLLM's name for n_positions."""
    return {
        "id": model,
        "object": "model",
        "created": created,
        "owned_by": "calcgen-ray",
        "max_model_len": max_tokens_total,
    }


def _ours(choice: Choice) -> dict[str, Any]:
    return {} if choice.calcgen is None else {"calcgen": choice.calcgen}
