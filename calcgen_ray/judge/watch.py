"""The server's side of a running child: lets segments go, keeps time, collects, kills, reaps.

Time is kept here, by a poll with a deadline and never by an alarm: the child cannot stop it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from pathlib import Path
from typing import Any

from calcgen_ray.judge.isolation.confinement import Confinement, folder_bytes
from calcgen_ray.judge.isolation.mounts import FOLDER_BYTES
from calcgen_ray.judge.request import (
    ERROR_CHARS,
    EXTRA_BYTES,
    LAST,
    MORE,
    STDOUT_BYTES,
    Limits,
    Request,
    pieces,
)
from calcgen_ray.problem import Outcome, Status

READ_BYTES = 1 << 16
PIPE_BYTES = 1 << 20  # the most that a pipe can hold of what was written before a report
START_SECONDS = 20.0
REAP_SECONDS = 10.0
LOOK_SECONDS = 0.2  # between two looks at the folder, where nothing else bounds it
MESSAGES = 64  # read before the clock is looked at again
REPORTED = (Status.RAN, Status.FAILED, Status.MEMORY)  # all that code may say of itself
PIECE_COST = 1000  # bytes of room that a piece takes besides, so that empty ones are bounded too
STDIN = 0


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class ChildFaultError(Exception):
    """The child did not get as far as the code."""


class Watch:
    """One child, the two descriptors that it can be heard by, and one that tells of its death."""

    def __init__(
        self, pid: int, control: socket.socket, stdout: int, secret: bytes, walls: Confinement
    ) -> None:
        self.pid, self.control, self.stdout, self.secret = pid, control, stdout, secret
        self.walls = walls
        self.output = bytearray()
        self.piece, self.items, self.room = bytearray(), list[str](), EXTRA_BYTES
        self.ready = False
        self.death = os.pidfd_open(pid)
        self.open = {control.fileno(), stdout}
        self.poll = select.poll()
        self.poll.register(STDIN, 0)  # hang-up only: the next request may wait
        self.poll.register(self.death, select.POLLIN)
        for fd in self.open:
            os.set_blocking(fd, False)
            self.poll.register(fd, select.POLLIN)

    def start(self) -> None:
        """Waits until the child has locked itself in and can take its job. Only once."""
        if self.ready:
            return
        deadline = time.monotonic() + START_SECONDS
        report = None
        while report is None and self.alive() and time.monotonic() < deadline:
            self._wait(deadline)
            report = self._read_report(-1)
        if report is None or "error" in report:
            raise ChildFaultError(f"the child did not start: {(report or {}).get('error')}")
        self.ready = True

    def hand(self, job: Request) -> None:
        """Gives the child its job; its first segment begins at once."""
        deadline = time.monotonic() + START_SECONDS
        free = select.poll()
        free.register(self.control, select.POLLOUT)
        for piece in pieces(job.to_json()):
            free.poll(max(0.0, deadline - time.monotonic()) * 1000)
            self.control.send(piece)

    def segment(self, index: int, limits: Limits, job_deadline: float) -> Outcome:
        """Lets the segment of that index run, for as long as it may."""
        start = time.monotonic()
        seconds, over = limits.seconds, f"the segment took over {limits.seconds:g} s"
        if job_deadline < start + seconds:
            seconds, over = job_deadline - start, f"the job took over {limits.job_seconds:g} s"
        if index:
            with contextlib.suppress(OSError):  # dead already: seen below
                self.control.send(b"g")
        return self._outcome(index, start, seconds, f"TimeoutError: {over}")

    def extras(self, count: int, limits: Limits) -> list[str]:
        """What the child tells after `count` segments, each a JSON text that nobody has checked.

        Takes at most as long as a segment may; what has not come by then is left out.
        """
        self._outcome(count, time.monotonic(), limits.seconds, "")
        return self.items

    def alive(self) -> bool:
        """Whether it still runs; leaves a dead one unreaped, so that its group keeps its id."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is None

    def end(self) -> int:
        """Kills the child with all its descendants, and reaps them.

        Returns the child's peak resident memory in bytes.
        """
        for kill in (os.kill,) if self.walls.own_pids else (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)
        used = os.wait4(self.pid, 0)[2]
        if not self.walls.own_pids:
            _reap_orphans()
        self.control.close()
        os.close(self.stdout)
        os.close(self.death)
        return used.ru_maxrss << 10

    def _outcome(self, index: int, start: float, limit: float, over: str) -> Outcome:
        """What comes of that segment within `limit` seconds; `over` is the error if nothing."""
        self.output.clear()
        deadline = start + limit
        while True:
            full = self._wait(deadline)
            self._read_stdout(READ_BYTES)
            alive = self.alive()  # asked first, so that a dead child's last report is not missed
            report = self._read_report(index)
            if report is None and alive and not full and time.monotonic() < deadline:
                continue
            seconds = time.monotonic() - start
            self._read_stdout(PIPE_BYTES)
            if full and report is None:
                over = f"OSError: the temporary folder is over {FOLDER_BYTES} bytes"
            if report is None:
                report = {"status": Status.TIMEOUT, "error": over} if alive else self._last_words()
            return _as_outcome(report, bytes(self.output), seconds)

    def _wait(self, deadline: float) -> bool:
        """Waits for news; tells whether the job's folder holds too much."""
        left = max(0.0, deadline - time.monotonic())
        bounded = self.walls.own_folder
        for fd, _ in self.poll.poll((left if bounded else min(left, LOOK_SECONDS)) * 1000):
            if fd == STDIN:
                raise ClientGoneError
        return not bounded and folder_bytes(self.walls.folder) > FOLDER_BYTES

    def _read_stdout(self, limit: int) -> None:
        """Takes at most `limit` bytes out of the pipe and keeps what there is still room for."""
        while limit > 0 and self.stdout in self.open:
            try:
                chunk = os.read(self.stdout, min(limit, READ_BYTES))
            except BlockingIOError:
                return
            if not chunk:
                self._forget(self.stdout)
            limit -= len(chunk)
            self.output += chunk[: STDOUT_BYTES - len(self.output)]

    def _read_report(self, index: int) -> dict[str, Any] | None:
        """The report on that segment, if it has come. What lacks the secret is skipped."""
        for _ in range(MESSAGES):
            if self.control.fileno() not in self.open:
                return None
            try:
                message = self.control.recv(READ_BYTES)
            except BlockingIOError:
                return None
            except OSError:
                message = b""
            if not message and self._hung_up():
                self._forget(self.control.fileno())
            if message.startswith(self.secret):
                report = self._understand(message[len(self.secret) :])
                if report.pop("index", None) == index:
                    return report
        return None

    def _understand(self, body: bytes) -> dict[str, Any]:
        """A report, or nothing if it is a piece of an extra or not one of `child`'s."""
        if body[:1] in (MORE, LAST):
            self.room -= len(body) + PIECE_COST
            if self.room < 0:
                return {}
            self.piece += body[1:]
            if body[:1] == LAST:
                self.items.append(self.piece.decode(errors="replace"))
                self.piece.clear()
            return {}
        try:
            report = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return report if isinstance(report, dict) else {}

    def _hung_up(self) -> bool:
        """Tells the end of the reports from a report of no bytes."""
        poll = select.poll()
        poll.register(self.control, 0)
        return bool(poll.poll(0))

    def _forget(self, fd: int) -> None:
        self.open.discard(fd)
        self.poll.unregister(fd)

    def _last_words(self) -> dict[str, Any]:
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        if found is None or found.si_code == os.CLD_EXITED:
            code = found.si_status if found else 0
            return {"status": Status.FAILED, "error": f"ProcessExit: left by os._exit({code})"}
        if found.si_status == signal.SIGXCPU:
            return {"status": Status.TIMEOUT, "error": "TimeoutError: over its processor time"}
        name = signal.Signals(found.si_status).name
        return {"status": Status.FAILED, "error": f"ProcessExit: ended by {name}"}


def _as_outcome(report: dict[str, Any], output: bytes, seconds: float) -> Outcome:
    status = report.get("status", Status.RAN)
    line, memory = report.get("line", 0), report.get("memory", 0)
    return Outcome(
        status=Status(status) if status in (*REPORTED, Status.TIMEOUT) else Status.FAILED,
        stdout=output.decode(errors="ignore" if len(output) == STDOUT_BYTES else "replace"),
        error=str(report.get("error", ""))[:ERROR_CHARS],
        line=line if isinstance(line, int) else 0,
        seconds=seconds,
        memory_bytes=memory if isinstance(memory, int) else 0,
    )


def _reap_orphans() -> None:
    """Kills what left the child's group; as a subreaper, the server has inherited all of it."""
    deadline = time.monotonic() + REAP_SECONDS
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return
        for pid in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.001)
    raise ChildFaultError("processes that the code started cannot be ended")
