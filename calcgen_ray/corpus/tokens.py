"""Cells as token ids in Arrow files, memory-mapped by every worker of a machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcgen_ray.corpus import store
from calcgen_ray.errors import DataError
from calcgen_ray.model.tokenizer import PROBES, encode, encode_all
from calcgen_ray.problem import as_prompt


@dataclass(frozen=True, slots=True)
class TokenCells:
    """Token ids of each cell of a split, end-of-text last. Ragged: N cells of any length."""

    cells: Any  # Arrow LargeListArray of int32
    statements: Any  # Arrow Int32Array (N,): leading tokens that are a statement in words

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, index: int) -> Any:
        """Token ids of one cell: NumPy (n,) int32, a view of the file."""
        return self.cells[index].values.to_numpy(zero_copy_only=True)

    def lengths(self) -> list[int]:
        import pyarrow.compute as pc

        sizes: list[int] = pc.list_value_length(self.cells).to_pylist()
        return sizes


def fingerprint(tokenizer: Any) -> str:
    """8 hex digits that differ between tokenizers that split or number code otherwise."""
    text = repr([encode(tokenizer, probe) for probe in PROBES] + [len(tokenizer)])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def tokenise(folder: Path, split: store.Split, tokenizer: Any) -> TokenCells:
    """The tokens of a corpus's split: read from their file, or made and written first.

    Raises:
        DataError: no corpus there.
    """
    path = folder / f"cells-{split}-{fingerprint(tokenizer)}.arrow"
    if not path.is_file():
        records = store.read(folder, split)
        ids = encode_all(tokenizer, [record.text for record in records])
        prompts = encode_all(tokenizer, [_prompt(record) for record in records])
        counts = [_common(*pair) for pair in zip(ids, prompts, strict=True)]
        end = [tokenizer.eos_token_id]
        _write(path, [cell + end for cell in ids], counts)
    return open_tokens(path)


def _prompt(record: store.Record) -> str:
    prompt = as_prompt(record.statement)
    return prompt if record.text.startswith(prompt) else ""


def _common(one: Sequence[int], two: Sequence[int]) -> int:
    """The number of tokens with which both begin: a merge may reach over the prompt's end."""
    pairs = enumerate(zip(one, two, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(two)))


def open_tokens(path: Path) -> TokenCells:
    """Maps a token file into memory.

    Raises:
        DataError: it is missing or damaged.
    """
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        columns = (table.column(name).combine_chunks() for name in ("ids", "statement"))
        return TokenCells(*columns)
    except (OSError, pa.ArrowInvalid, KeyError):
        raise DataError(f"{path}: missing or damaged; delete it and start again") from None


def _write(path: Path, cells: Sequence[Sequence[int]], statements: Sequence[int]) -> None:
    import pyarrow as pa

    ids = pa.array(cells, pa.large_list(pa.int32()))
    table = pa.table({"ids": ids, "statement": pa.array(statements, pa.int32())})
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(1, len(table)))
    os.replace(draft, path)
