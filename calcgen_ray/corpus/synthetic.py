"""Synthetic problems in several processes; which process makes one does not change it."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from calcgen_ray.config import SyntheticConfig
from calcgen_ray.corpus.families import FAMILIES, Shape, make_problem
from calcgen_ray.errors import ConfigError, DataError
from calcgen_ray.problem import DIFFICULTIES, Difficulty, Problem

CHUNK = 25
CPU_SECONDS = 5.0
ATTEMPTS = 20
RESERVED = 10**9
"""Indices from here on stand in for draws that took too long."""

Order = tuple[str, Difficulty, int]


def make_problems(config: SyntheticConfig, seed: int, processes: int) -> Iterator[Problem]:
    """`config.count` problems, evenly over families and difficulties.

    Raises:
        ConfigError: a family that is not there.
    """
    orders = _orders(config)
    chunks = [orders[i : i + CHUNK] for i in range(0, len(orders), CHUNK)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, max(1, len(chunks))), context) as pool:
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
    shape = shape_of(config)
    return [draw_problem(order, seed, shape) for order in orders]


def draw_problem(
    order: Order, seed: int, shape: Shape, cpu_seconds: float = CPU_SECONDS, **kind: Any
) -> Problem:
    """The problem of that index, or of a later one where SymPy does not come back.

    Now and then a draw sends SymPy's limit or solve into minutes. The limit is on CPU time, five
    times what the slowest of 1,350 draws took, so that load hardly changes what is made. `kind`
    goes to `make_problem`. For the main thread of a process of its own: it takes SIGVTALRM.
    """
    signal.signal(signal.SIGVTALRM, _too_slow)
    family, level, index = order
    for attempt in range(ATTEMPTS):
        signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)
        try:
            return make_problem(family, level, seed, index + attempt * RESERVED, shape, **kind)
        except TooSlow:
            continue
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    raise DataError(f"{family}, {level}, {index}: SymPy took over {cpu_seconds} s {ATTEMPTS} times")


class TooSlow(BaseException):  # SymPy catches Exception
    """Raised inside a draw whose CPU time is up."""


def _too_slow(signum: int, frame: object) -> None:
    raise TooSlow
