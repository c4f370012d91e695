"""The corpus on disk: one Parquet file with a written schema, and its manifest.

Rows are sorted by id and written with fixed settings, so that the same seed gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from calcgen_ray.errors import DataError

CELLS = "cells.parquet"
MANIFEST = "manifest.json"

Split = Literal["train", "valid", "test"]
VERSION = 2
"""Of the form: 1 put what is held out by name among the validation cells."""


@dataclass(frozen=True, slots=True)
class Record:
    """One cell of the corpus. Empty strings stand for what its source does not have."""

    id: str
    source: str  # docstring, notebook, script, markdown, package, synthetic, drill
    document: str  # file within its folder, name of the docstring's object, family
    group: str  # what is kept on one side of the split
    index: int  # place within the document
    family: str
    difficulty: str
    phrasing: str
    statement: str
    code: str  # runs alone
    plain: str  # as it stands in its source
    text: str  # what is trained on
    expected: str  # JSON
    skeleton: str
    licence: str
    split: str  # train, valid or test


def schema() -> Any:
    """The Arrow schema of the Parquet file: the fields of `Record`, in order, none null."""
    import pyarrow as pa

    types = {"index": pa.int32()}
    names = Record.__dataclass_fields__
    return pa.schema([pa.field(n, types.get(n, pa.string()), nullable=False) for n in names])


def write(folder: Path, records: Sequence[Record], manifest: Mapping[str, Any]) -> None:
    """Writes both files; the manifest comes last and says that the corpus is whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    rows = [asdict(record) for record in sorted(records, key=lambda r: r.id)]
    table = pa.Table.from_pylist(rows, schema=schema())
    draft = folder / f".{CELLS}"
    pq.write_table(table, draft, compression="zstd", version="2.6")
    os.replace(draft, folder / CELLS)
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / f".{MANIFEST}").write_text(text, "utf-8")
    os.replace(folder / f".{MANIFEST}", folder / MANIFEST)


def content_hash(records: Sequence[Record]) -> str:
    """sha256 over all fields of all records, in the order of their ids."""
    rows = [asdict(record) for record in sorted(records, key=lambda r: r.id)]
    text = json.dumps(rows, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read(folder: Path, split: Split | None = None) -> list[Record]:
    """The records of a corpus, in the order of their ids.

    Raises:
        DataError: no corpus there, or one of another schema.
    """
    import pyarrow.parquet as pq

    path = folder / CELLS
    if not path.is_file():
        raise DataError(f"{folder}: holds no {CELLS}; run `calcgen corpus build` first")
    table = pq.read_table(path)
    if table.schema.names != schema().names:
        raise DataError(f"{path}: written by another version; build the corpus anew")
    rows = table.to_pylist()
    return [Record(**row) for row in rows if split is None or row["split"] == split]


def measured_split(folder: Path) -> Split:
    """The cells that a checkpoint is measured on: those held out by name, or the validation's.

    A run keeps its best by the validation's, so its figures on them flatter it a little.
    """
    return "test" if read(folder, "test") else "valid"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Counts, licences, hashes and settings of a corpus.

    Raises:
        DataError: there is none, or it is damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder}: holds no {MANIFEST}; run `calcgen corpus build`") from None
    except ValueError:
        raise DataError(f"{folder / MANIFEST}: not JSON; build the corpus anew") from None
    return manifest


def is_whole(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() and (folder / CELLS).is_file()
