"""Token-weighted perplexity of whole cells, always unpacked: one cell a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from calcgen_ray.model.packed import IGNORE, PackedLM, Rows


@dataclass(frozen=True, slots=True)
class Score:
    """Sum of negative log-likelihoods in nats, and the tokens that it is over."""

    nats: float = 0.0
    tokens: int = 0

    @property
    def loss(self) -> float:
        """Nats per token; nan over nothing."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def perplexity(self) -> float:
        """exp(loss): Jelinek et al. 1977, weighted by tokens, not averaged over cells."""
        return math.exp(min(self.loss, 700.0)) if self.tokens else math.nan

    def __add__(self, other: Score) -> Score:
        return Score(self.nats + other.nats, self.tokens + other.tokens)


def single_rows(cells: Sequence[Sequence[int]], pad_to: int = 0) -> Rows:
    """One cell a row, padded on the right to the longest (or to `pad_to`): (B, T)."""
    B, T = len(cells), max(pad_to, *map(len, cells))
    input_ids = torch.zeros(B, T, dtype=torch.long)
    cell_ids = torch.full((B, T), -1, dtype=torch.long)
    labels = torch.full((B, T), IGNORE, dtype=torch.long)
    for row, cell in enumerate(cells):
        n = len(cell)
        input_ids[row, :n] = torch.tensor(cell)
        cell_ids[row, :n] = 0
        labels[row, : n - 1] = input_ids[row, 1:n]
    return Rows(input_ids, torch.arange(T).expand(B, T), cell_ids, labels)


ROWS_PER_BATCH = 16


def batch_count(cells: Sequence[Sequence[int]], rows_per_batch: int = ROWS_PER_BATCH) -> int:
    """Forward passes that `score_cells` makes at most."""
    return -(-len(cells) // rows_per_batch)


@torch.no_grad()
def score_cells(
    lm: PackedLM,
    cells: Sequence[Sequence[int]],
    *,
    rows_per_batch: int = ROWS_PER_BATCH,
    device: str = "cpu",
    autocast: bool = False,
    batches: int = 0,
) -> Score:
    """Scores every token of every cell but its first, which has nothing before it.

    Cells of like length share a batch; the sum does not depend on that.

    Args:
        batches: passes at the least, the last ones over nothing: workers among whom a model's
            weights are spread must call it equally often.
    """
    training = lm.training
    lm.eval()
    total = Score()
    order = sorted((cell for cell in cells if len(cell) > 1), key=len)
    for number in range(max(batches, batch_count(order, rows_per_batch))):
        part = order[number * rows_per_batch : (number + 1) * rows_per_batch]
        rows = single_rows(part or [[0]])
        tokens = int((rows.labels != IGNORE).sum())
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            nats = lm(rows.to(device), single=True)
        total += Score(float(nats), tokens)
    lm.train(training)
    return total
