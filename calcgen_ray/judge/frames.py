"""Messages between the client and its server: four bytes of length, then JSON.

JSON and never pickle: what comes out of a sandbox must not be able to run anything.
Deadlines are values of `time.monotonic()` in seconds; None waits for ever.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

HEADER = 4
MAX_BYTES = 256 << 20
CHUNK = 1 << 16


def send(fd: int, message: Any, deadline: float | None = None) -> None:
    """Writes one message to `fd`.

    Raises:
        TimeoutError: the other side does not read.
        BrokenPipeError: the other side is gone.
    """
    data = json.dumps(message).encode()
    rest = memoryview(len(data).to_bytes(HEADER, "big") + data)
    while rest:
        _wait(fd, select.POLLOUT, deadline)
        rest = rest[os.write(fd, rest[:CHUNK]) :]


def receive(fd: int, deadline: float | None = None) -> Any:
    """The next message from `fd`.

    Raises:
        EOFError: the other side is gone.
        TimeoutError: no whole message by the deadline.
        ValueError: what came is no message.
    """
    size = int.from_bytes(_read(fd, HEADER, deadline), "big")
    if size > MAX_BYTES:
        raise ValueError(f"frame of {size} bytes: the limit is {MAX_BYTES}")
    return json.loads(_read(fd, size, deadline))


def _read(fd: int, size: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        _wait(fd, select.POLLIN, deadline)
        chunk = os.read(fd, min(size - len(data), 1 << 20))
        if not chunk:
            raise EOFError("the other side closed the pipe")
        data += chunk
    return bytes(data)


def _wait(fd: int, event: int, deadline: float | None) -> None:
    if deadline is None:
        return
    poll = select.poll()
    poll.register(fd, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError("the other side does not answer")
