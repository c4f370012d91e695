"""The journal of a run: metrics as JSON lines, and the same as CSV."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calcgen_ray.errors import TrainingError

JOURNAL = "metrics.jsonl"
TABLE = "metrics.csv"

Entry = dict[str, Any]
"""One line: `event` is start, step, eval, checkpoint or end; all have `step`."""


def append(path: Path, entry: Entry) -> None:
    """Adds one line and hands it to the system, so that a reader sees whole lines only.

    Raises:
        TrainingError: the storage refuses it.
    """
    with _told(path), path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")


def read(path: Path) -> list[Entry]:
    """All whole lines; a last one that a killed process left half-written is passed over."""
    return list(_entries(path.read_text("utf-8"))) if path.is_file() else []


def read_from(path: Path, place: int) -> tuple[list[Entry], int]:
    """The whole lines after byte `place`, and the byte after them.

    A file that has become shorter was rewound by a resumed run: reading goes on at its end.
    """
    size = path.stat().st_size if path.is_file() else 0
    if size <= place:
        return [], size
    with path.open("rb") as stream:
        stream.seek(place)
        whole, newline, _ = stream.read().rpartition(b"\n")
    return list(_entries(whole.decode())), place + len(whole) + len(newline)


def rewind(path: Path, step: int) -> None:
    """Drops what lies after `step`: a resumed run does it again.

    Raises:
        TrainingError: the storage refuses it.
    """
    kept = [entry for entry in read(path) if entry["step"] <= step]
    draft = path.with_name(f".{path.name}")
    with _told(path):
        draft.write_text("".join(json.dumps(entry) + "\n" for entry in kept), "utf-8")
        os.replace(draft, path)


def write_table(path: Path, target: Path) -> None:
    """The step and eval lines as CSV, a column for each key."""
    rows = [entry for entry in read(path) if entry["event"] in ("step", "eval")]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with target.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{path}: could not be written: {error.strerror or error}; the checkpoints are whole: "
            "mend the storage, and the same command goes on from the newest"
        ) from None


def _entries(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue
