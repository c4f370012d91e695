"""The batcher of a model in a process of its own, as a replica has it: see program.py."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.generate.decoder import Decoder
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.job import Job, Sink, Ticket
from calcgen_ray.generate.link import Cancel, Link, Made, Open, Over, Score, Scored, Submit
from calcgen_ray.generate.rows import Row
from calcgen_ray.generate.scoring import Scores
from calcgen_ray.generate.stops import StopWatch
from calcgen_ray.generate.weights import Weights

MODULE = "calcgen_ray.generate.program"
CLOSE_SECONDS = 10.0
"""To end what runs; then it is killed."""
SILENT_SECONDS = 15.0
"""Without a word from the child, which speaks every second whatever it computes: then it hangs."""
LOG = logging.getLogger("calcgen.engine")


class EngineProcess:
    """`Batching`, with the engine and its queue in a child process.

    Requests are known here by their tickets, whose jobs are kept like those of the child. A child
    that dies, or hangs and is killed, takes what it was asked with it; another one is started, and
    what is asked meanwhile waits for it.

    Args:
        weights: discarded on `close`.
        threads: CPU threads of one matrix product.

    Raises:
        CheckpointError: the weights do not load.
    """

    def __init__(self, weights: Weights, threads: int = 1) -> None:
        self.weights = weights
        self._tickets: dict[int, Ticket] = {}
        self._scores: dict[int, Future[Scores]] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._unsent: list[Any] | None = None  # a list between two children
        self._batch, self._closed, self._lost = 0, False, False
        self._threads = threads
        try:
            self._begin()
        except CheckpointError:
            weights.discard()
            raise
        self._reader = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._reader.start()

    @classmethod
    def open(cls, folder: Path, compute_type: str = "auto", threads: int = 1) -> EngineProcess:
        """As `open_engine`."""
        return cls(Weights.of(folder, compute_type), threads)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def tokenizer(self) -> Any:
        return self.weights.tokenizer

    @property
    def max_tokens_total(self) -> int:
        return self.weights.max_tokens_total

    @property
    def waiting(self) -> int:
        return sum(not job.begun for job in self._jobs())

    @property
    def running(self) -> int:
        return sum(job.begun > 0 for job in self._jobs())

    @property
    def batch_size(self) -> int:
        return min(self._batch, self.running)

    @property
    def alive(self) -> bool:
        return not (self._closed or self._lost)

    def row(self, prompt: str, params: SamplingParams) -> Row:
        return self.weights.row(prompt, params)

    def submit(
        self, prompts: Sequence[Row], params: SamplingParams, sink: Sink, *, every: bool = True
    ) -> Ticket:
        stops, one = StopWatch(self.tokenizer, params.stop), replace(params, n=1)
        many = [row for row in prompts for _ in range(params.n)]
        jobs = [Job(place, row, one, sink, stops, every) for place, row in enumerate(many)]
        with self._lock:
            self._check()
            number = next(self._numbers)
            ticket = self._tickets[number] = _Ticket(jobs, number, self._send)
        self._send(Submit(number, prompts, params, every))
        return ticket

    def scores(self, ids: Sequence[int], top: int) -> Scores:
        with self._lock:
            self._check()
            number = next(self._numbers)
            future = self._scores[number] = Future()
        self._send(Score(number, ids, top))
        return future.result()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._link.hang_up()
        self._reader.join(CLOSE_SECONDS)
        self._process.kill()
        self._reader.join()
        self._link.close()
        self.weights.discard()

    def _begin(self) -> None:
        """Starts a child and has it open the weights."""
        weights, tokenizer = self.weights, Decoder.of(self.weights.tokenizer)
        process, link = _start()
        try:
            link.send(Open(str(weights.folder), tokenizer, weights.max_tokens_total,
                           weights.compute_type, self._threads))  # fmt: skip
            refused = link.receive().refused
        except (OSError, EOFError):
            refused = f"{weights.folder}: the engine's process ended, code {process.wait()}"
        if refused:
            process.wait()
            link.close()
            raise CheckpointError(refused)
        with self._lock:
            self._process, self._link = process, link
            messages, self._unsent = self._unsent or [], None
            if self._closed:
                link.hang_up()
        for message in messages:
            self._send(message)

    def _jobs(self) -> list[Job]:
        """Rows that are not over."""
        with self._lock:
            tickets = list(self._tickets.values())
        return [job for ticket in tickets for job in ticket.jobs if not job.over]

    def _check(self) -> None:
        if self._closed or self._lost:
            raise self._error()

    def _send(self, message: Any) -> None:
        """Where the child has gone, `_serve` ends what was asked of it."""
        with self._lock:
            if self._unsent is not None:
                self._unsent.append(message)
                return
        with suppress(OSError):
            self._link.send(message)

    def _serve(self) -> None:
        """Hears one child after another, until the last has gone."""
        while True:
            with suppress(EOFError, OSError):
                self._read()
            code = self._process.wait()
            with self._lock:
                self._unsent, self._lost = [], self._closed
            self._give_up()
            if self._lost:
                return
            LOG.error("the engine's process ended, code %s; another one is started", code)
            self._link.close()
            try:
                self._begin()
            except CheckpointError as error:
                LOG.error("the engine does not start again: %s", error)
                with self._lock:
                    self._lost = True
                self._give_up()
                return

    def _read(self) -> None:
        """Raises EOFError or OSError once the child has gone."""
        while True:
            if not self._link.poll(SILENT_SECONDS):
                LOG.error("the engine has been silent for %g s and is killed", SILENT_SECONDS)
                self._process.kill()
            message = self._link.receive()
            if message is not None:
                self._hear(message)

    def _hear(self, message: Made | Over | Scored) -> None:
        if isinstance(message, Scored):
            self._hear_scores(message)
            return
        ticket = self._tickets.get(message.number)
        if ticket is None:  # given up before it was sent
            return
        job = ticket.jobs[message.place]
        job.begun = message.begun
        if isinstance(message, Made):
            self._batch = message.batch
            job.ids.append(message.token)
            job.sink(job.place, message.token)
            return
        job.ids[:] = message.ids
        job.end(self._error(message.error) if message.error else None)
        if all(job.over for job in ticket.jobs):
            with self._lock:
                del self._tickets[message.number]

    def _hear_scores(self, message: Scored) -> None:
        future = self._scores.pop(message.number, None)
        if future is None:
            return
        if message.scores is None:
            future.set_exception(RuntimeError(message.error))
        else:
            future.set_result(message.scores)

    def _give_up(self) -> None:
        """Ends all that was asked: no answer comes any more."""
        error = self._error()
        with self._lock:
            left, self._tickets = list(self._tickets.values()), {}
            scores, self._scores = list(self._scores.values()), {}
        for ticket in left:
            for job in ticket.jobs:
                job.end(error)
        for future in scores:
            future.set_exception(error)

    def _error(self, told: str = "") -> Exception:
        """Why a row has ended: on its own, or with all others."""
        if told and not self._closed:
            return RuntimeError(told)
        return InputError(f"the engine was {'closed' if self._closed else 'lost'}; ask again")


class _Ticket(Ticket):
    """One that the child hears of."""

    def __init__(self, jobs: Sequence[Job], number: int, send: Callable[[Any], None]) -> None:
        super().__init__(jobs)
        self._number, self._send = number, send

    def cancel(self) -> None:
        super().cancel()
        if not all(job.over for job in self.jobs):
            self._send(Cancel(self._number))


def _start() -> tuple[subprocess.Popen[bytes], Link]:
    """The child, and this end of its socket."""
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
