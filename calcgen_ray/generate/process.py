"""The batcher of a model in a process of its own, as a replica has it: see program.py."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.generate.child import LOG, Child
from calcgen_ray.generate.decoder import Decoder
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.job import Job, Sink, Ticket
from calcgen_ray.generate.link import Cancel, Made, Open, Over, Score, Scored, Submit
from calcgen_ray.generate.rows import Prompt, Row
from calcgen_ray.generate.scoring import Scores
from calcgen_ray.generate.stops import StopWatch
from calcgen_ray.generate.weights import Weights

CLOSE_SECONDS = 10.0
"""For the child to end what runs; then it is killed."""


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
        self._unsent: list[Submit | Cancel | Score] | None = None  # a list between two children
        self._batch, self._closed, self._lost = 0, False, False
        self._opening = Open(
            str(weights.folder), weights.scratch.name if weights.scratch else "",
            Decoder.of(weights.tokenizer), weights.max_tokens_total, weights.compute_type, threads,
        )  # fmt: skip
        try:
            self._child = Child(self._opening)
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
        return self._child.pid

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

    def row(self, prompt: Prompt, params: SamplingParams) -> Row:
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
            self._child.hang_up()
        self._reader.join(CLOSE_SECONDS)
        self._child.kill()
        self._reader.join()
        self.weights.discard()

    def _jobs(self) -> list[Job]:
        """Rows that are not over."""
        with self._lock:
            tickets = list(self._tickets.values())
        return [job for ticket in tickets for job in ticket.jobs if not job.over]

    def _check(self) -> None:
        if self._closed or self._lost:
            raise self._error()

    def _send(self, message: Submit | Cancel | Score) -> None:
        with self._lock:
            if self._unsent is not None:
                self._unsent.append(message)
                return
        self._child.send(message)

    def _serve(self) -> None:
        """Hears one child after another, until the last has gone."""
        while not self._lost:
            for message in self._child.messages():
                self._hear(message)
            code = self._child.end()
            with self._lock:
                self._unsent, self._lost = [], self._closed
            self._give_up()
            if not self._closed:
                LOG.error("the engine's process ended, code %s; another one is started", code)
                self._begin_again()

    def _begin_again(self) -> None:
        """Starts another child, and sends it what was asked meanwhile."""
        try:
            child = Child(self._opening)
        except CheckpointError as error:
            LOG.error("the engine does not start again: %s", error)
            with self._lock:
                self._lost = True
            self._give_up()
            return
        with self._lock:  # nothing may overtake what was asked before
            self._child, messages, self._unsent = child, self._unsent or [], None
            for message in messages:
                child.send(message)
            if self._closed:
                child.hang_up()

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

    def __init__(self, jobs: Sequence[Job], number: int, send: Callable[[Cancel], None]) -> None:
        super().__init__(jobs)
        self._number, self._send = number, send

    def cancel(self) -> None:
        super().cancel()
        if not all(job.over for job in self.jobs):
            self._send(Cancel(self._number))
