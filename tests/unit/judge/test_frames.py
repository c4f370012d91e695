"""Length-prefixed messages over a pipe."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcgen_ray.judge.frames import receive, send

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    read_end, write_end = os.pipe()
    yield read_end, write_end
    for fd in (read_end, write_end):
        with contextlib.suppress(OSError):
            os.close(fd)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.recursive(st.text() | st.integers() | st.none() | st.booleans(), st.lists))
def test_what_is_sent_is_received(pipe: Pipe, message: object) -> None:
    send(pipe[1], message)
    assert receive(pipe[0], time.monotonic() + 5) == message


def test_message_larger_than_the_pipe(pipe: Pipe) -> None:
    message = ["x" * 3_000_000, "\udc80"]
    sender = threading.Thread(target=send, args=(pipe[1], message))
    sender.start()
    assert receive(pipe[0]) == message
    sender.join()


def test_end_and_silence_are_told_apart(pipe: Pipe) -> None:
    with pytest.raises(TimeoutError):
        receive(pipe[0], time.monotonic())
    os.write(pipe[1], b"\0\0")
    os.close(pipe[1])
    with pytest.raises(EOFError):
        receive(pipe[0])


def test_reader_that_does_not_read(pipe: Pipe) -> None:
    os.set_blocking(pipe[1], False)
    with pytest.raises(TimeoutError):
        send(pipe[1], "x" * 1_000_000, time.monotonic() + 0.1)


def test_absurd_length_is_refused(pipe: Pipe) -> None:
    os.write(pipe[1], b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="limit"):
        receive(pipe[0])
