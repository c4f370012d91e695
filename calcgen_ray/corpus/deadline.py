"""A limit on the CPU time of a draw: now and then SymPy does not come back for minutes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TypeVar

from calcgen_ray.errors import DataError

Made = TypeVar("Made")
ATTEMPTS = 20


class TooSlow(BaseException):  # SymPy catches Exception
    """Raised inside a draw whose CPU time is up."""


def first_in_time(make: Callable[[int], Made], seconds: float, what: str) -> Made:
    """`make(0)`, or where that takes longer than so many seconds of CPU time `make(1)`, and so on.

    The limit is on CPU time, so that load hardly changes what is made. For the main thread of a
    process of its own: it takes SIGVTALRM.

    Raises:
        DataError: all attempts took too long.
    """
    signal.signal(signal.SIGVTALRM, _too_slow)
    for attempt in range(ATTEMPTS):
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            return make(attempt)
        except TooSlow:
            continue
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    raise DataError(f"{what}: SymPy took over {seconds} s {ATTEMPTS} times")


def _too_slow(signum: int, frame: object) -> None:
    raise TooSlow
