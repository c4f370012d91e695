"""A few programs that are kept: taken one at a time, and replaced when they are lost."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from calcgen_ray.errors import SandboxError
from calcgen_ray.judge.program import Program

P = TypeVar("P", bound=Program)


class Pool(Generic[P]):
    """At most `size` programs, made by `make`; `check` may refuse one by a SandboxError.

    Threads may share it.

    Raises:
        SandboxError: on opening or taking, where a program cannot be started; on taking from a
            pool that is not open.
    """

    def __init__(
        self, make: Callable[[], P], size: int, check: Callable[[P], None] = lambda program: None
    ) -> None:
        self._make, self._size, self._check = make, size, check
        self._open = False
        self._all: list[P] = []
        self._idle: SimpleQueue[P | None] = SimpleQueue()

    def open(self) -> None:
        """Starts all programs side by side."""
        try:
            for _ in range(self._size):
                self._all.append(self._make())
            for program in self._all:
                program.wait_ready()
                self._check(program)
                self._idle.put(program)
        except BaseException:
            self.close()
            raise
        self._open = True

    def close(self) -> None:
        """Ends the programs. May be called again."""
        self._open = False
        self._idle = SimpleQueue()
        while self._all:
            self._all.pop().close()

    @property
    def pids(self) -> list[int]:
        """The programs' process ids."""
        return [program.pid for program in self._all]

    def take(self) -> P | None:
        """Waits for a place; None is the place of a lost program: see `replacement`."""
        if not self._open:
            raise SandboxError("the sandbox is not open: use it in a with statement")
        return self._idle.get()

    def give(self, program: P | None) -> None:
        """Gives a place back, with None if its program was discarded."""
        self._idle.put(program)

    def replacement(self) -> P:
        """A new program for the place of a lost one."""
        program = self._make()
        self._all.append(program)
        try:
            program.wait_ready()
            self._check(program)
        except SandboxError:
            self.discard(program)
            raise
        return program

    def discard(self, program: P, patience: float | None = None) -> None:
        """Ends a program that is of no more use."""
        self._all.remove(program)
        program.close(patience)
