"""What the replica and its engine's process tell each other, over one socket."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.rows import Row
from calcgen_ray.generate.scoring import Scores


@dataclass(frozen=True, slots=True)
class Open:
    """The first message: which weights. `tokenizer` decodes and has a size and an end; `scratch` is
    a folder that goes with the replica, empty where it has none."""

    folder: str
    scratch: str
    tokenizer: Any
    max_tokens_total: int
    compute_type: str
    threads: int


@dataclass(frozen=True, slots=True)
class Submit:
    """A request; `number` is its name from here on."""

    number: int
    rows: Sequence[Row]
    params: SamplingParams
    every: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    number: int


@dataclass(frozen=True, slots=True)
class Score:
    number: int
    ids: Sequence[int]
    top: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The answer to `Open`; `refused` says why it does not."""

    refused: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A token of a row. `begun` as in `Job`: the clock is the machine's; `batch` is how many rows
    are computed together."""

    number: int
    place: int
    token: int
    begun: float
    batch: int


@dataclass(frozen=True, slots=True)
class Over:
    """A row's end, with all of its tokens."""

    number: int
    place: int
    ids: Sequence[int]
    begun: float
    error: str


@dataclass(frozen=True, slots=True)
class Scored:
    number: int
    scores: Scores | None
    error: str = ""


class Link:
    """One end of the socket. Any thread may send, one receives; None says that somebody is there.

    What comes is unpickled: at the other end is this package and nobody else.
    """

    def __init__(self, descriptor: int) -> None:
        self._connection = Connection(descriptor)
        self._sending = threading.Lock()

    def send(self, message: Any) -> None:
        """Raises OSError where the other end has gone."""
        with self._sending:
            self._connection.send(message)

    def receive(self) -> Any:
        """Raises EOFError or OSError where the other end has gone."""
        return self._connection.recv()

    def poll(self, seconds: float) -> bool:
        """Whether there is something to receive, or nothing will come any more."""
        return self._connection.poll(seconds)

    def hang_up(self) -> None:
        """Sends no more; what the other end says is still received."""
        with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as same:
            same.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._connection.close()
