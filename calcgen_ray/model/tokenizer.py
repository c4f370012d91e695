"""Tokenizers: the embedded model's own byte-level BPE, and loading any other with its traps shut.

transformers guesses a tokenizer class from the model type and, for some byte-level vocabularies,
guesses wrong without a word (transformers issues 46489, 48206). So a loaded tokenizer must bring
code back unchanged before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from calcgen_ray.errors import ModelError

END_OF_TEXT = "<|endoftext|>"
PLAIN = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""Names, in tokenizer_config.json, of the class that takes tokenizer.json as it is."""

PROBES = (
    "from sympy import symbols, diff\nx = symbols('x')\nresult = diff(x**2, x)\nprint(result)\n",
    "def f(t):\n\treturn t  **  2 # tab,  two  spaces\r\n",
    "s = 'é ∫ ∂ \U0001d465 𝑥'\n\n\n    y = 1234567890\n",
    " leading space, trailing spaces   ",
)


PIECES = "|".join(
    (
        r"(?:from|import) [^\n]*\n*",  # an import line is one idea
        r"print\([\p{L}_]+\)\n*",
        r"\n*[\p{L}_]+ = ?",  # an assignment's head
        r" ?[\p{L}_]+(?:\.[\p{L}_]+)*(?:\(['\"]?)?",  # a word; a call up to its argument
        r"['\"]?\)+\n*",
        r"\d",
        r" ?[^\s\p{L}\d_()'\"]+ ?",  # an operator with its spaces
        r"\n+ *",
        r"\s+",
    )
)
"""Merges stay within these pieces: words, calls and operators keep one form wherever they stand,
so that an expression has the same tokens in a statement and in code. A cell of the demo's corpus
has 58 tokens with them, 82 with GPT-2's pieces and the same number of entries."""


def train_tokenizer(texts: Iterable[str], vocab_size: int = 4096) -> Any:
    """A byte-level BPE over `PIECES` that splits digits one by one, trained on `texts`.

    Digits apart (arXiv:2305.14201 found it best for arithmetic) keep numbers copyable. The same
    texts give the same tokenizer.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END_OF_TEXT,
        bos_token=END_OF_TEXT,
        unk_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
    )


def load_tokenizer(folder: str | Path, **hub: Any) -> Any:
    """The tokenizer of a checkpoint folder or hub id, checked by a round trip over code.

    Raises:
        ModelError: there is none, or it does not bring text back unchanged.
    """
    try:
        tokenizer = _loader(Path(folder)).from_pretrained(str(folder), **hub)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{folder}: no tokenizer could be loaded: {reason}") from None
    for probe in PROBES:
        if decode(tokenizer, encode(tokenizer, probe)) != probe:
            raise ModelError(
                f"{folder}: its tokenizer does not bring {probe!r} back unchanged; "
                "set tokenizer_class in tokenizer_config.json"
            )
    return tokenizer


def _loader(folder: Path) -> Any:
    """The class that reads a folder: the one that its file names, where no guess is needed.

    transformers' own guess imports torch, which takes a second or more.
    """
    import transformers

    try:
        settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        plain = settings.get("tokenizer_class") in PLAIN
    except (OSError, ValueError, AttributeError):
        plain = False  # what is wrong with it is said by whoever loads it
    return transformers.PreTrainedTokenizerFast if plain else transformers.AutoTokenizer


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of `text`; an end-of-text marker typed inside it is encoded as plain text."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    return ids


def encode_all(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """`encode` for many texts at once."""
    if not texts:
        return []
    batch = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)
    ids: list[list[int]] = batch["input_ids"]
    return ids


def decode(tokenizer: Any, ids: list[int]) -> str:
    """The text of token ids, spaces as they are."""
    text: str = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    return text
