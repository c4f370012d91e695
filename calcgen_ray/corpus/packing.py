"""Which cells share a row, and which rows make a step: pure arithmetic on lengths and seeds.

A plan is a function of (lengths, settings, seed) alone, so every worker computes the same one, a
resumed run goes on at the same row, and the number of workers changes nothing but who does what.
"""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

Row = tuple[int, ...]
"""Indexes of the cells of a row, in order."""


def pack(lengths: Sequence[int], block_size: int, seed: int = 0) -> list[Row]:
    """Packs cells into rows of at most `block_size` tokens: best fit in descending length.

    Cells longer than a row are cut to it. Equal lengths are shuffled, so that a row mixes sources.
    Best fit decreasing needs at most 11/9 of the optimal number of rows plus one (Johnson 1973).
    """
    rng = random.Random(f"pack/{seed}")
    order = sorted(range(len(lengths)), key=lambda i: (-min(lengths[i], block_size), rng.random()))
    rows: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (free tokens, row), sorted
    for cell in order:
        size = min(lengths[cell], block_size)
        place = bisect_left(room, (size, -1))
        if place == len(room):
            rows.append([cell])
            insort(room, (block_size - size, len(rows) - 1))
        else:
            free, row = room.pop(place)
            rows[row].append(cell)
            insort(room, (free - size, row))
    for row_cells in rows:
        rng.shuffle(row_cells)
    return [tuple(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Plan:
    """The order of rows over a whole run.

    Args:
        rows: the rows of an epoch, before shuffling.
        batch_size: rows of an optimizer step, over all workers.
        seed: with the epoch it gives the order.
    """

    rows: Sequence[Row]
    batch_size: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def step(self, step: int) -> list[Row]:
        """Rows of the optimizer step with that number, from 0.

        An epoch's steps differ by one row at most: a nearly empty last one would be all noise.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        order = epoch_order(len(self.rows), self.seed, epoch)
        first, last = (len(order) * p // self.steps_per_epoch for p in (place, place + 1))
        return [self.rows[i] for i in order[first:last]]


@lru_cache(maxsize=2)  # shuffling 100,000 rows takes as long as a fifth of a small step
def epoch_order(count: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The order of `count` rows in that epoch, from 0."""
    order = list(range(count))
    random.Random(f"epoch/{seed}/{epoch}").shuffle(order)
    return tuple(order)


def share(rows: Sequence[Row], rank: int, world_size: int) -> list[Row]:
    """The rows that one worker of `world_size` takes; some take one fewer, or none."""
    return list(rows[rank::world_size])


def pad_fraction(lengths: Sequence[int], rows: Sequence[Row], block_size: int) -> float:
    """Share of a plan's token places that hold no token of a cell."""
    used = sum(min(lengths[cell], block_size) for row in rows for cell in row)
    return 1 - used / (len(rows) * block_size) if rows else 0.0
