"""Training throughput: packed rows against padded ones, and the ways to compute a row.

Every figure is the median over several steps; the variants take turns, so that a machine that
slows down slows them all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from calcgen_ray import runtime
from calcgen_ray.config import Config
from calcgen_ray.corpus.packing import pack
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.model.packed import Attention, Loss, PackedLM, Rows
from calcgen_ray.model.tokenizer import encode_all
from calcgen_ray.train.batches import fill_rows
from calcgen_ray.train.optimizer import make_optimizer
from calcgen_ray.train.step import train_step

PAD_TO = 128
ROWS = 32
"""Of a step: 4,096 places."""

T = TypeVar("T")
Cells = Sequence[Sequence[int]]


@dataclass
class Variant:
    """One way to train: how cells become rows, and how rows are computed."""

    batching: str
    attention: Attention
    loss: Loss
    precision: str
    rows: Rows
    useful: int  # tokens of cells, not of padding
    seconds: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        other = f" {self.loss} loss" if self.loss != "fused" else ""
        return f"{self.batching} {self.attention}{other} {self.precision}"

    @property
    def tokens_per_s(self) -> float:
        """Useful tokens a second, by the median step."""
        return self.useful / sorted(self.seconds)[len(self.seconds) // 2]


def bench_train(texts: Sequence[str], config: Config, repeats: int = 7) -> dict[str, Any]:
    """Measures on the cells `texts`, each cut to 128 tokens, one thread, one process.

    Returns packed_over_padded, the fastest packed variant over the fastest padded one of the same
    model and dtype, other ratios, and every variant's useful tokens a second.
    """
    runtime.set_threads(1)
    tokenizer = load_model_tokenizer(config.model, config.revision)
    end = tokenizer.eos_token_id
    cells = [[*ids, end][:PAD_TO] for ids in encode_all(tokenizer, list(texts))]
    precision = runtime.pick_precision(config.train.precision, "cpu")
    variants = list(make_variants(cells, precision))
    model = load_model(config.model, config.revision)
    optimizer = make_optimizer(model, config.optim)
    for _ in range(repeats + 1):
        for variant in variants:
            variant.seconds.append(_step_seconds(model, optimizer, variant))
    for variant in variants:
        del variant.seconds[0]  # warm-up
    return summarise(variants, cells, precision)


def make_variants(cells: Cells, precision: str) -> Iterator[Variant]:
    """Rows of 128 tokens, packed and padded, as many of each, in each way to compute them.

    Both kinds have the corpus's own mix of lengths: a random draw of 32 cells has a mean length
    that is off by a tenth, and the ratio with it.
    """
    packs = pack([len(cell) for cell in cells], PAD_TO)
    packed = [[cells[i] for i in row] for row in even_sample(packs, ROWS)]
    padded = [[cell] for cell in even_sample(sorted(cells, key=len), ROWS)]
    for batching, rows in (("packed", packed), ("padded", padded)):
        tensors, useful = fill_rows(rows, PAD_TO), sum(len(cell) for row in rows for cell in row)
        kernels: tuple[Attention, ...] = ("eager", "sdpa", "matmul")
        for kernel in kernels:
            yield Variant(batching, kernel, "fused", precision, tensors, useful)
        if batching == "packed":
            yield Variant(batching, "matmul", "plain", precision, tensors, useful)
            yield Variant(batching, "matmul", "chunked", precision, tensors, useful)
            if precision != "fp32":
                yield Variant(batching, "sdpa", "fused", "fp32", tensors, useful)


def even_sample(items: Sequence[T], count: int) -> list[T]:
    """`count` of the items at equal distances, or all of them: of a sorted list, its quantiles."""
    size = min(count, len(items))
    return [items[len(items) * (2 * i + 1) // (2 * size)] for i in range(size)]


def summarise(variants: Sequence[Variant], cells: Cells, precision: str) -> dict[str, Any]:
    """The ratios, and the figures of every variant."""
    speed = {variant.name: round(variant.tokens_per_s, 1) for variant in variants}
    best = {
        batching: max(v for k, v in speed.items() if k.startswith(batching) and precision in k)
        for batching in ("packed", "padded")
    }
    matmul = speed[f"packed matmul {precision}"]
    return {
        "packed_over_padded": round(best["packed"] / best["padded"], 3),
        "matmul_over_eager": round(matmul / speed[f"packed eager {precision}"], 3),
        "matmul_over_sdpa": round(matmul / speed[f"packed sdpa {precision}"], 3),
        "fused_over_plain": round(matmul / speed[f"packed matmul plain loss {precision}"], 3),
        "fused_over_chunked": round(matmul / speed[f"packed matmul chunked loss {precision}"], 3),
        "mean_cell_tokens": round(sum(map(len, cells)) / len(cells), 2),
        "precision": precision,
        "useful_tokens_per_s": speed,
    }


def _step_seconds(model: Any, optimizer: Any, variant: Variant) -> float:
    lm = PackedLM(model, variant.attention, variant.loss)
    begin = time.perf_counter()
    train_step(
        lm, optimizer, [variant.rows], tokens=variant.useful,
        autocast=variant.precision == "bf16", single=variant.batching == "padded",
    )  # fmt: skip
    return time.perf_counter() - begin
