"""A step on many machines, from what one does: a cost model in pure arithmetic.

`python -m calcgen_ray.bench.costs` prints the tables of cluster/SCALING.md.

A worker's step takes  passes * compute + exposed communication:

    compute         6 P t / (mfu F): P parameters, t tokens of a pass, F the machine's peak
                    (Kaplan et al., arXiv:2001.08361, 2.1)
    DDP             one all-reduce of 4 P bytes (float32 gradients) a step, in a ring over n
                    workers 2 (n - 1) / n of them through each (Patarasuk and Yuan 2009); it hides
                    behind the backward half of the last pass, 2/3 of its compute
    FSDP            in each pass two all-gathers of 2 P bytes (bf16 weights), and once a step a
                    reduce-scatter of 4 P bytes, (n - 1) / n of them through each; they hide behind
                    the whole compute but for the first block's
    latency         2 (n - 1) hops of a ring for each of DDP's first and last bucket of 25 MB, the
                    others being under way between them; n - 1 for each message of FSDP, of which
                    each block has two a pass and one a step

What it leaves out: input, checkpoints, stragglers, memory traffic of AdamW, faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Strategy = Literal["ddp", "fsdp"]
BUCKET = 25e6
STATE_BYTES = 16
"""Of a parameter: float32 weight, gradient and two moments."""


@dataclass(frozen=True)
class Size:
    """`parameters` and `blocks` of the model; `tokens` of a pass that fits beside its state."""

    name: str
    parameters: float
    blocks: int
    tokens: int


@dataclass(frozen=True)
class Machine:
    """A node's workers and links: `peak` in FLOP/s, links in bytes/s and one way a worker."""

    name: str
    workers: int
    peak: float
    mfu: float
    memory: float
    inside: float
    outside: float
    hop_s: float
    dollars: float
    """A worker's hour."""


SIZES = (
    Size("350M", 356e6, 20, 16_384),
    Size("2B", 2.78e9, 32, 8_192),
    Size("6B", 7.07e9, 33, 8_192),
    Size("16B", 16.1e9, 34, 4_096),
)
"""Salesforce/codegen-*: the weights' numbers of the hub's cards, n_layer of config.json."""
A100 = Machine("p4d.24xlarge", 8, 312e12, 0.40, 40e9, 300e9, 50e9 / 8, 10e-6, 1.844)
H100 = Machine("p5.48xlarge", 8, 989e12, 0.40, 80e9, 450e9, 400e9 / 8, 10e-6, 4.916)
GLOBAL_TOKENS = 524_288
"""Of a step over all workers, however many: the batch is the recipe's, not the cluster's."""
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Step:
    """Seconds of a step over `workers`, and what follows from them."""

    workers: int
    seconds: float
    exposed: float
    tokens: float

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds

    @property
    def efficiency(self) -> float:
        """Share of a step that computes."""
        return 1 - self.exposed / self.seconds


def link(machine: Machine, n: int) -> float:
    """Bytes a second of the slowest link of a ring over `n` workers, as each worker sees it.

    A ring that visits a node's workers one after the other leaves it once, with all of its links.
    """
    return machine.inside if n <= machine.workers else machine.outside * machine.workers


def step(
    size: Size, machine: Machine, n: int, strategy: Strategy, tokens: float = GLOBAL_TOKENS
) -> Step:
    """One optimizer step of `tokens` over `n` workers; passes are cut where a worker has fewer."""
    mine = tokens / n
    passes = max(1.0, mine / size.tokens)
    compute = 6 * size.parameters * mine / (machine.mfu * machine.peak)
    if n == 1:
        return Step(n, compute, 0.0, tokens)
    ring, rate = (n - 1) / n, link(machine, n)
    hops = (n - 1) * machine.hop_s
    if strategy == "ddp":
        count = max(1.0, 4 * size.parameters / BUCKET)
        wire = 2 * ring * 4 * size.parameters / rate + 2 * hops * min(count, 2)
        hidden = 2 / 3 * compute / passes
    else:
        messages = size.blocks * (2 * passes + 1)
        wire = ring * (passes * 4 + 4) * size.parameters / rate + hops * messages
        hidden = compute * (1 - 1 / size.blocks)
    exposed = max(0.0, wire - hidden) + (wire / size.blocks if strategy == "fsdp" else 0.0)
    return Step(n, compute + exposed, exposed, tokens)


def fits(size: Size, machine: Machine, n: int, strategy: Strategy) -> bool:
    """Whether weights, gradients and moments leave a quarter of the memory to activations."""
    held = STATE_BYTES * size.parameters / (n if strategy == "fsdp" else 1)
    gathered = 3 * 2 * size.parameters / size.blocks if strategy == "fsdp" else 0.0
    return held + gathered <= 0.75 * machine.memory


def stops_paying(steps: Sequence[Step]) -> int:
    """The last number of workers whose doubling still gave 1.5 times the speed."""
    last = steps[0].workers
    for before, after in pairwise(steps):
        if after.workers != 2 * before.workers:
            continue
        if after.tokens_per_s < 1.5 * before.tokens_per_s:
            break
        last = after.workers
    return last


def predicted_speedup(compute_s: float, gradient_bytes: float, bytes_per_s: float) -> float:
    """Two workers over one at equal rows a worker, on this machine: nothing hides on busy cores."""
    return 2 * compute_s / (compute_s + gradient_bytes / bytes_per_s)


def tables(machines: Sequence[Machine] = (A100, H100)) -> Iterator[str]:
    """Markdown: a table for each machine and model."""
    for machine in machines:
        yield f"### {machine.name}\n"
        yield "| model | strategy | 1 | " + " | ".join(map(str, COUNTS[1:])) + " | pays to |"
        yield "| --- " * (len(COUNTS) + 3) + "|"
        for size in SIZES:
            for strategy in ("ddp", "fsdp"):
                yield _row(size, machine, strategy)
        yield ""


def _row(size: Size, machine: Machine, strategy: Strategy) -> str:
    counts = COUNTS if strategy == "ddp" else COUNTS[1:]
    held = [n for n in counts if fits(size, machine, n, strategy)]
    steps = {n: step(size, machine, n, strategy) for n in held}
    cells = [_cell(steps[n], machine) if n in steps else "-" for n in COUNTS]
    last = str(stops_paying(list(steps.values()))) if steps else "does not fit"
    return f"| {size.name} | {strategy.upper()} | {' | '.join(cells)} | {last} |"


def _cell(one: Step, machine: Machine) -> str:
    """Thousands of tokens a second, efficiency, dollars for a billion tokens."""
    dollars = 1e9 / one.tokens_per_s / 3600 * one.workers * machine.dollars
    return f"{one.tokens_per_s / 1e3:,.0f}k, {100 * one.efficiency:.0f} %, ${dollars:,.0f}"


if __name__ == "__main__":
    print("\n".join(tables()))
