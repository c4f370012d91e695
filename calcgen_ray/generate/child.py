"""The engine's process as its replica has it: started, spoken to, listened to, ended."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from calcgen_ray.errors import CheckpointError
from calcgen_ray.generate.link import Cancel, Link, Made, Open, Over, Score, Scored, Submit

MODULE = "calcgen_ray.generate.program"
SILENT_SECONDS = 15.0
"""Without a word from the child, which speaks every second whatever it computes: then it hangs."""
LOG = logging.getLogger("calcgen.engine")


class Child:
    """One process of program.py that has opened its weights. Any thread may send.

    Raises:
        CheckpointError: the weights do not load.
    """

    def __init__(self, wanted: Open) -> None:
        self._process, self._link = _start()
        try:
            self._link.send(wanted)
            refused = self._link.receive().refused
        except (OSError, EOFError):
            refused = f"{wanted.folder}: the engine's process ended, code {self._process.wait()}"
        if refused:
            self.end()
            raise CheckpointError(refused)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: Submit | Cancel | Score) -> None:
        """Does nothing where it has gone, which `messages` tells."""
        with suppress(OSError):
            self._link.send(message)

    def messages(self) -> Iterator[Made | Over | Scored]:
        """What it says, until it has gone; one that hangs is killed."""
        with suppress(EOFError, OSError):
            while True:
                if not self._link.poll(SILENT_SECONDS):
                    LOG.error("the engine has been silent for %g s and is killed", SILENT_SECONDS)
                    self.kill()
                if (message := self._link.receive()) is not None:
                    yield message

    def hang_up(self) -> None:
        """Asks it to end what runs, and itself."""
        self._link.hang_up()

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> int:
        """Waits for its end; its exit code."""
        code = self._process.wait()
        self._link.close()
        return code


def _start() -> tuple[subprocess.Popen[bytes], Link]:
    """The process, and this end of its socket."""
    here, there = socket.socketpair()
    package = Path(__file__).resolve().parents[2]
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    with there:
        # subprocess starts it by vfork and exec: safe beside the threads of a Ray worker.
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(there.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
    return process, Link(here.detach())
