"""A piece of real code, and what came of reading a source of such pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Source = Literal["docstring", "notebook", "script", "markdown", "synthetic"]


@dataclass(frozen=True, slots=True)
class Cell:
    """Code as its author wrote it, and the same code made to stand alone.

    Attributes:
        document: path from the root of the folder, or dotted name of the docstring's object.
        index: place among the pieces of its document, those left out included.
        plain: the cell as it stands, without magics.
        code: the cell with the earlier definitions and imports that it needs before it.
        expected: JSON list of the outputs that a doctest wants, one an example; "" if none.
        licence: SPDX name, "see LICENSE" or "unknown".
        group: cells of one group go to the same side of a split.
    """

    source: Source
    document: str
    index: int
    plain: str
    code: str
    expected: str = ""
    statement: str = ""
    licence: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """The cells of one or more documents.

    `counts` says how many files, cells or blocks were left out, by reason; `documents` how many
    files or docstrings were read.
    """

    cells: list[Cell] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    documents: int = 0

    @classmethod
    def left_out(cls, reason: str) -> Reading:
        """Of a document that could not be used at all."""
        return cls(counts=Counter({reason: 1}))

    @classmethod
    def joined(cls, readings: Iterable[Reading]) -> Reading:
        """Several readings as one, in their order."""
        cells: list[Cell] = []
        counts: Counter[str] = Counter()
        documents = 0
        for reading in readings:
            cells += reading.cells
            counts += reading.counts
            documents += reading.documents
        return cls(cells, counts, documents)
