"""One row a completion, and the Parquet file of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calcgen_ray.errors import DataError

GREEDY = 0
"""Number of the greedy completion of a problem; the sampled ones follow from 1."""


UNASKED = "unasked"
"""Verdict on a completion that nothing is expected of but to run."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one completion.

    `outcome` is a `Status`, `verdict` a `Verdict` or `UNASKED`, and `reason` says why where it is
    not equal. `s`, `precision` and `f1` compare with the problem's own solution. `copied_tokens` is
    the longest run of the code's tokens that one training cell holds, `copied` whether one holds
    them all. `seconds` is the code's own wall time, the one field that another run does not repeat.
    """

    problem: str
    group: str
    family: str
    difficulty: str
    sample: int
    prompt: str
    code: str
    finish_reason: str
    tokens: int
    outcome: str
    error: str
    line: int
    verdict: str
    reason: str
    correct: bool
    s: float
    precision: float
    f1: float
    copied_tokens: int
    copied: bool
    seconds: float


def schema() -> Any:
    """The Arrow schema: the fields of `Record`, in order, none null."""
    import pyarrow as pa

    kinds = {"str": pa.string(), "int": pa.int32(), "float": pa.float64(), "bool": pa.bool_()}
    fields = Record.__dataclass_fields__.values()
    return pa.schema([pa.field(f.name, kinds[str(f.type)], nullable=False) for f in fields])


def write(path: Path, records: Sequence[Record]) -> None:
    """Writes the file whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    rows = [asdict(record) for record in records]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema()), draft, compression="zstd")
    os.replace(draft, path)


def read(path: Path) -> list[Record]:
    """The records of a file, in its order.

    Raises:
        DataError: no such file, or none that `write` wrote.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `calcgen eval` writes it") from None
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not Parquet ({str(error).splitlines()[0]}); delete it") from None
    if table.schema.names != schema().names:
        raise DataError(f"{path}: written by another version; delete it and evaluate again")
    return [Record(**row) for row in table.to_pylist()]
