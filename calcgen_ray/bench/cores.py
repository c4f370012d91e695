"""How far this machine's cores go together, without a model: what bounds a speed-up on them.

A virtual core may share its physical one with a neighbour, and two cores their clock and power.
Workers that wait for each other are as slow as the slowest of them, whatever the program does.
"""

from __future__ import annotations

import multiprocessing as mp
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from statistics import median

SIZE = 512
ROUNDS, SECONDS = 10, 0.4


def cores_speedup(workers: int = 2, rounds: int = ROUNDS, seconds: float = SECONDS) -> float:
    """Matrix products of so many workers, who wait for the slowest of them, over those of one.

    Float32, a thread each; one alone and all together by turns.
    """
    context = mp.get_context("spawn")
    with ExitStack() as stack:
        lines = []
        for _ in range(workers):
            mine, theirs = context.Pipe()
            process = context.Process(target=_answer, args=(theirs,))
            process.start()
            theirs.close()
            lines.append(mine)
            stack.callback(process.join)
            stack.callback(mine.close)  # first: it ends the process
        _rates(lines, 0.0)  # all have begun
        return median(
            speedup(_rates(lines[:1], seconds), _rates(lines, seconds)) for _ in range(rounds)
        )


def speedup(alone: Sequence[float], together: Sequence[float]) -> float:
    """Of rates: the slowest's, as often as there are workers, over one's alone."""
    return len(together) * min(together) / alone[0]


def _rates(lines: Sequence[Connection], seconds: float) -> list[float]:
    for line in lines:
        line.send(seconds)
    return [line.recv() for line in lines]


def _answer(line: Connection) -> None:
    """Products a second for as long as asked, in a process of its own."""
    import torch

    torch.set_num_threads(1)
    matrix, out = torch.rand(SIZE, SIZE), torch.empty(SIZE, SIZE)
    with suppress(EOFError):  # the other end is closed
        while True:
            seconds = line.recv()
            begin, count = time.perf_counter(), 0
            while time.perf_counter() - begin < seconds:
                torch.mm(matrix, matrix, out=out)
                count += 1
            line.send(count / (time.perf_counter() - begin))
