"""The sections that a training is made from: steps, architecture, optimizer, workers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from calcgen_ray.section import Float, Fraction, Int, Positive, Section


class TrainConfig(Section):
    epochs: Annotated[Int, Field(ge=1, le=10_000)] = 3
    steps: Annotated[Int, Field(ge=1, le=10**8)] | None = None
    """Optimizer steps; overrides epochs when given."""
    batching: Literal["packed", "padded", "windows"] = "packed"
    """packed: whole cells, several a block, no attention across them. padded: a cell a row.
    windows: random windows over all cells joined, as in the article."""
    statement_share: Fraction = 1.0
    """Share of the cells whose statement in words is scored too; of the others only the code is.
    With packed and padded batches."""
    block_size: Annotated[Int, Field(ge=8, le=2048)] = 256
    """Tokens of a row (T)."""
    batch_size: Annotated[Int, Field(ge=1, le=65_536)] = 16
    """Rows of an optimizer step, over all workers."""
    micro_batch_size: Annotated[Int, Field(ge=1, le=4096)] = 8
    """Rows of one forward pass of one worker; more rows are accumulated."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    attention: Literal["auto", "sdpa", "matmul", "eager"] = "auto"
    """auto takes what measures faster: matmul on a CPU under bf16, else sdpa."""
    loss: Literal["fused", "chunked", "plain"] = "fused"
    """fused makes the gradient on the way forward and measures fastest; chunked is torch's own
    form, plain holds all logits at once. Each gives the same number."""
    gradient_checkpointing: bool = False
    """Keep of each layer its input alone and compute the rest again on the way back: less memory,
    about a third more work, the same numbers."""
    checkpoint_steps: Annotated[Int, Field(ge=1)] = 100
    """Optimizer steps between two checkpoints; each epoch ends with one besides."""
    sharded_checkpoints: bool = False
    """Of workers.strategy=fsdp: each worker writes its own part. Checkpoints with a score are whole
    all the same, as transformers reads them."""
    keep_checkpoints: Annotated[Int, Field(ge=1, le=1000)] = 2
    """Newest checkpoints that are kept, the best one besides."""
    eval_steps: Positive | None = None
    """Score the validation cells each so many steps too; an epoch ends with it in any case."""
    patience: Positive | None = None
    """Stop when the validation loss has not fallen by `min_gain` for so many scorings; null: go on
    to the end."""
    min_gain: Annotated[Float, Field(ge=0, le=1)] = 0.001
    """Nats a token that count as a gain."""
    valid_cells: Annotated[Int, Field(ge=1)] = 400
    """Validation cells that are scored at each epoch."""
    log_steps: Positive = 25
    """A line of progress each so many steps."""


class ArchitectureConfig(Section):
    """What `calcgen pretrain` makes: CodeGen's architecture, and a tokenizer for it."""

    vocab_size: Annotated[Int, Field(ge=300, le=65_536)] = 4096
    layers: Annotated[Int, Field(ge=1, le=64)] = 4
    width: Annotated[Int, Field(ge=32, le=8192)] = 256
    heads: Annotated[Int, Field(ge=4, le=128)] = 4
    positions: Annotated[Int, Field(ge=64, le=8192)] = 1024
    """Most tokens that it reads."""
    tokenizer_cells: Positive = 60_000
    """Training cells that the tokenizer is made from, spread evenly."""

    @model_validator(mode="after")
    def _divides(self) -> ArchitectureConfig:
        if self.heads % 4:
            raise ValueError(f"heads: {self.heads} is no multiple of 4, as CodeGen's layout needs")
        if self.width % (2 * self.heads):
            raise ValueError(f"width: {self.width} is no multiple of {2 * self.heads} (2 x heads)")
        return self


class OptimConfig(Section):
    lr: Annotated[Float, Field(gt=0, le=1)] = 2e-3
    beta1: Annotated[Float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[Float, Field(ge=0, lt=1)] = 0.95
    eps: Annotated[Float, Field(gt=0, le=1e-2)] = 1e-8
    weight_decay: Annotated[Float, Field(ge=0, le=10)] = 0.1
    decay: Literal["matrices", "all"] = "matrices"
    """Which parameters the decay applies to."""
    clip: Annotated[Float, Field(gt=0)] | None = 1.0
    """Largest norm of the gradient; null switches clipping off."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_fraction: Fraction = 0.05
    min_lr_fraction: Fraction = 0.1


class WorkersConfig(Section):
    count: Annotated[Int, Field(ge=1, le=4096)] = 2
    min_count: Annotated[Int, Field(ge=1, le=4096)] | None = None
    """Elastic: begin, and go on after a loss, with as many as there is room for, at least so many;
    null: always `count`."""
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """ddp: each worker holds the whole model. fsdp: its weights, gradients and moments are spread
    over the workers, for models that one worker cannot hold."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    cpus: Annotated[Float, Field(gt=0, le=256)] = 1.0
    """CPUs that each worker reserves; also its torch threads."""
    max_failures: Annotated[Int, Field(ge=0, le=1000)] = 2
    """Restarts from the last checkpoint after a worker is lost."""

    @model_validator(mode="after")
    def _ordered(self) -> WorkersConfig:
        if self.min_count is not None and self.min_count > self.count:
            raise ValueError(f"min_count: {self.min_count} is more than count {self.count}")
        return self
