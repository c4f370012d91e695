"""Commands that share a machine by turns of seconds, so that its pace is the same for all of them.

A machine's pace drifts by more than a bench looks for, and two commands that run one after the
other meet different ones. Here each is held, all its processes stopped, while another runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from calcgen_ray.errors import RunError
from calcgen_ray.local_cluster.processes import Process, with_children

POLL_SECONDS = 0.1
END_SECONDS = 30


class Runner:
    """A command that runs in turns; it begins held, with its first.

    Attributes:
        turns: from when to when it ran, in seconds of the clock.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name, self.command = name, command
        self.turns: list[tuple[float, float]] = []
        handle, errors = tempfile.mkstemp(prefix="calcgen-")
        os.close(handle)
        self._errors = Path(errors)
        self._process: subprocess.Popen[bytes] | None = None
        self._held: set[Process] = set()

    @property
    def over(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def turn(self, enough: Callable[[], bool]) -> None:
        """Lets it run until that holds, or it has ended.

        Raises:
            RunError: it failed.
        """
        begin = time.time()
        if self._process is None:
            with self._errors.open("wb") as errors:
                self._process = subprocess.Popen(
                    self.command, stdout=subprocess.DEVNULL, stderr=errors
                )
        self._signal(signal.SIGCONT)
        while not self.over and not enough():
            time.sleep(POLL_SECONDS)
        self._hold()
        self.turns.append((begin, time.time()))
        if self._process.returncode:
            lines = self._errors.read_text(errors="replace").strip().splitlines()
            raise RunError(f"{self.name}: {(lines or ['failed'])[-1]}")

    def active(self, begin: float, end: float) -> float:
        """Of the seconds between two times, those in which it ran."""
        return sum(max(0.0, min(end, to) - max(begin, since)) for since, to in self.turns)

    def close(self) -> None:
        """Ends what is left of it."""
        self._hold()
        left, self._held = self._held, set()
        for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, 1)):
            for process in left:
                process.signal(number)
                process.signal(signal.SIGCONT)
            if self._process is not None:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
        self._errors.unlink()

    def _hold(self) -> None:
        """Stops all its processes, those too that begin meanwhile."""
        while more := self._family() - self._held:
            self._held |= more
            self._signal(signal.SIGSTOP)

    def _family(self) -> set[Process]:
        process = self._process
        return set() if process is None or self.over else with_children({process.pid})

    def _signal(self, number: int) -> None:
        for process in self._held:
            process.signal(number)
        if number == signal.SIGCONT:
            self._held = set()


@contextmanager
def runners(commands: Mapping[str, Sequence[str]]) -> Iterator[list[Runner]]:
    """A runner for each name and command; whatever is left of them ends with the block.

    SIGTERM ends the block, too, and the end is not disturbed: what is held would stay for good.
    """
    made = [Runner(name, command) for name, command in commands.items()]
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield made
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        for one in made:
            one.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def take_turns(runners: Iterable[Runner], seconds: float) -> None:
    """Runs all to their ends, each for so many seconds at a time.

    Raises:
        RunError: one failed.
    """
    waiting = list(runners)
    while waiting := [one for one in waiting if not one.over]:
        for one in waiting:
            alone = len(waiting) == 1
            one.turn((lambda: False) if alone else after(seconds))


def after(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have gone by since this call."""
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() > deadline
