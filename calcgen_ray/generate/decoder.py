"""A tokenizer without transformers: ids to text, which is all that stop strings need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Decoder:
    """`backend` is of the tokenizers library; `size` counts added tokens, too."""

    backend: Any
    size: int
    eos_token_id: int

    @classmethod
    def of(cls, tokenizer: Any) -> Any:
        """That of a tokenizer of transformers; the tokenizer itself where it has no backend."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        return (
            tokenizer if backend is None else cls(backend, len(tokenizer), tokenizer.eos_token_id)
        )

    def __len__(self) -> int:
        return self.size

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        """Spaces and special tokens as they are."""
        text: str = self.backend.decode(list(ids), skip_special_tokens=False)
        return text
