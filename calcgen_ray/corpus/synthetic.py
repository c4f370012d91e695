"""Synthetic problems in several processes; which process makes one does not change it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from calcgen_ray.config import SyntheticConfig
from calcgen_ray.corpus.deadline import first_in_time
from calcgen_ray.corpus.families import FAMILIES, Shape
from calcgen_ray.corpus.families import make_problems as make_wordings
from calcgen_ray.corpus.families.variety import varied
from calcgen_ray.corpus.processes import open_pool
from calcgen_ray.errors import ConfigError
from calcgen_ray.problem import DIFFICULTIES, Difficulty, Problem

CHUNK = 25
CPU_SECONDS = 5.0
RESERVED = 10**9
"""Indices from here on stand in for draws that took too long."""

Order = tuple[str, Difficulty, int]


def make_problems(config: SyntheticConfig, seed: int, processes: int) -> Iterator[Problem]:
    """`config.count` problems, evenly over families and difficulties, in `config.wordings` each.

    Raises:
        ConfigError: a family that is not there.
    """
    orders = _orders(config)
    chunks = [orders[i : i + CHUNK] for i in range(0, len(orders), CHUNK)]
    with open_pool(processes, len(chunks)) as pool:
        for problems in pool.map(_make, chunks, [seed] * len(chunks), [config] * len(chunks)):
            yield from problems


def shape_of(config: SyntheticConfig) -> Shape:
    return Shape(
        operators={
            "easy": config.easy_operators,
            "medium": config.medium_operators,
            "hard": config.hard_operators,
        },
        variable_share=config.variable_share,
        high=config.max_integer,
    )


def _orders(config: SyntheticConfig) -> list[Order]:
    for family in config.families:
        if family not in FAMILIES:
            raise ConfigError(
                f"corpus.synthetic.families: got {family!r}; allowed: {', '.join(FAMILIES)}"
            )
    families = [name for name in FAMILIES if not config.families or name in config.families]
    pairs = [(family, difficulty) for difficulty in DIFFICULTIES for family in families]
    return [(*pairs[i % len(pairs)], i // len(pairs)) for i in range(config.count)]


def _make(orders: list[Order], seed: int, config: SyntheticConfig) -> list[Problem]:
    shape, found = shape_of(config), list[Problem]()
    for order in orders:
        spoken = varied(FAMILIES[order[0]])
        found += draw_problems(order, seed, shape, phrasings=spoken, wordings=config.wordings)
    return found


def draw_problem(*arguments: Any, **kind: Any) -> Problem:
    """The first wording of `draw_problems`."""
    return draw_problems(*arguments, **kind)[0]


def draw_problems(
    order: Order, seed: int, shape: Shape, cpu_seconds: float = CPU_SECONDS, **kind: Any
) -> list[Problem]:
    """The problem of that index, or of a later one where SymPy does not come back, as
    `make_problems` gives it.

    The limit is five times what the slowest of 1,350 draws took. `kind` goes to `make_problems`.
    """
    family, level, index = order

    def make(attempt: int) -> list[Problem]:
        return make_wordings(family, level, seed, index + attempt * RESERVED, shape, **kind)

    return first_in_time(make, cpu_seconds, f"{family}, {level}, {index}")
