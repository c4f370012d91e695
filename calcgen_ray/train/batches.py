"""From a plan's rows to tensors: packed, padded, or the article's random windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch

from calcgen_ray.config import Config
from calcgen_ray.corpus.packing import Plan, Row, pack, pad_fraction, share
from calcgen_ray.corpus.tokens import TokenCells
from calcgen_ray.errors import DataError
from calcgen_ray.model.packed import IGNORE, Rows


class Batches(Protocol):
    """What the loop needs of a way of batching. `single`: each row is one cell from its start."""

    single: bool
    pad_fraction: float
    truncated: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps that pass over the corpus once."""

    def tokens(self, step: int) -> int:
        """Scored tokens of a step over all workers."""

    def passes(self, step: int, rank: int, world_size: int) -> list[Rows]:
        """One worker's rows of a step, a forward pass each; as many for all, some empty."""


def make_batches(cells: TokenCells, config: Config) -> Batches:
    """The batches of a run.

    Raises:
        DataError: fewer tokens than one row needs.
    """
    if config.train.batching == "windows":
        return WindowBatches(cells, config)
    return CellBatches(cells, config)


class CellBatches:
    """Whole cells: several a row and no attention across them, or one a row."""

    def __init__(self, cells: TokenCells, config: Config) -> None:
        train = config.train
        self.single = train.batching == "padded"
        self._cells, self._block_size = cells, train.block_size
        self._micro = train.micro_batch_size
        lengths = cells.lengths()
        usable = [i for i, n in enumerate(lengths) if n > 1]
        if not usable:
            raise DataError("no training cells; see the counts in the corpus's manifest.json")
        self._lengths = [min(n, train.block_size) for n in lengths]
        self._unscored = unscored(cells, train.statement_share, config.run.seed)
        if self.single:
            rows: list[Row] = [(i,) for i in usable]
        else:
            packed = pack([lengths[i] for i in usable], train.block_size, config.run.seed)
            rows = [tuple(usable[i] for i in row) for row in packed]
        self._plan = Plan(rows, train.batch_size, config.run.seed)
        self.pad_fraction = pad_fraction(lengths, rows, train.block_size)
        self.truncated = sum(n > train.block_size for n in lengths)

    @property
    def steps_per_epoch(self) -> int:
        return self._plan.steps_per_epoch

    def tokens(self, step: int) -> int:
        return sum(self._scored(cell) for row in self._plan.step(step) for cell in row)

    def _scored(self, cell: int) -> int:
        return max(0, self._lengths[cell] - 1 - self._unscored[cell])

    def passes(self, step: int, rank: int, world_size: int) -> list[Rows]:
        rows = self._plan.step(step)
        mine, most = share(rows, rank, world_size), share(rows, 0, world_size)
        starts = range(0, len(most), self._micro)
        return [self._fill(mine[i : i + self._micro] or [()]) for i in starts]

    def _fill(self, rows: Sequence[Row]) -> Rows:
        cells = [[self._cells[i] for i in row] for row in rows]
        skips = [[self._unscored[i] for i in row] for row in rows]
        return fill_rows(cells, self._block_size, skips)


def unscored(cells: TokenCells, share: float, seed: int) -> list[int]:
    """How many of each cell's first predictions are not scored: those of its statement's tokens.

    Of `share` of the cells, drawn from the seed, all are.
    """
    rng = np.random.default_rng([seed, len(cells)])
    hidden = rng.random(len(cells)) >= share
    counts = np.asarray(cells.statements.to_numpy(zero_copy_only=False))
    found: list[int] = np.where(hidden, np.maximum(counts - 1, 0), 0).tolist()
    return found


def fill_rows(
    rows: Sequence[Sequence[Any]], block_size: int, skips: Sequence[Sequence[int]] | None = None
) -> Rows:
    """Tensors of rows of cells, each a sequence of token ids: (B, T).

    Cells are cut to `block_size`, rows are padded to it. `skips` says how many of each cell's first
    predictions are not scored; none when left out.
    """
    B, T = len(rows), block_size
    input_ids = torch.zeros(B, T, dtype=torch.long)
    position_ids = torch.zeros(B, T, dtype=torch.long)
    cell_ids = torch.full((B, T), -1, dtype=torch.long)
    labels = torch.full((B, T), IGNORE, dtype=torch.long)
    for b, row in enumerate(rows):
        start = 0
        for number, cell in enumerate(row):
            ids = torch.from_numpy(np.array(cell[:T], dtype=np.int64))
            end = start + len(ids)
            input_ids[b, start:end] = ids
            position_ids[b, start:end] = torch.arange(len(ids))
            cell_ids[b, start:end] = number
            skip = min(skips[b][number], len(ids)) if skips else 0
            labels[b, start + skip : end - 1] = ids[1 + skip :]
            start = end
    return Rows(input_ids, position_ids, cell_ids, labels)


@dataclass
class WindowBatches:
    """Random windows over all cells joined, as in the article: they begin and end anywhere.

    Each window is drawn from (seed, step, row), so that a resumed run draws the same ones.
    """

    cells: TokenCells
    config: Config
    single: bool = True
    pad_fraction: float = 0.0
    truncated: int = 0

    def __post_init__(self) -> None:
        if len(self._stream) <= self.config.train.block_size:
            raise DataError(
                f"{len(self._stream)} tokens are fewer than one window of "
                f"{self.config.train.block_size}; lower train.block_size or add documents"
            )

    @cached_property
    def _stream(self) -> np.ndarray:
        # The end-of-text that closes each cell is left out: the article joins cells without one.
        parts = [np.asarray(self.cells[i][:-1], np.int64) for i in range(len(self.cells))]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    @property
    def steps_per_epoch(self) -> int:
        train = self.config.train
        return max(1, len(self._stream) // (train.batch_size * train.block_size))

    def tokens(self, step: int) -> int:
        return self.config.train.batch_size * (self.config.train.block_size - 1)

    def passes(self, step: int, rank: int, world_size: int) -> list[Rows]:
        train, T = self.config.train, self.config.train.block_size
        rng = np.random.default_rng([self.config.run.seed, step])
        starts = rng.integers(0, len(self._stream) - T, train.batch_size)
        mine, most = starts[rank::world_size], starts[::world_size]
        size = train.micro_batch_size
        parts = [mine[i : i + size] for i in range(0, len(most), size)]
        windows = [[[self._stream[s : s + T]] for s in part] for part in parts]
        return [fill_rows(part or [[]], T) for part in windows]
