"""All clients' requests on one engine: slices of time, and between slices who wants joins in.

CTranslate2 cannot take a row into a running batch. So where somebody has waited for
`SLICE_SECONDS`, a batch ends: its rows go back into the queue with what they have, and the next
batch is made of whoever is there. A short request waits that long for a long one, which pays by
having its own text read again. Rows share a batch if they are drawn in the same way and their
lengths are alike, since the engine reads the longer ones' surplus token by token. Rows with a
repetition penalty are not paused: the engine counts what it has made itself, not what it has read.

A request with a seed runs whole, on a generator and a thread of its own: its text depends on seed,
prompts and settings and on nothing else that is served, and the others do not wait for it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

from calcgen_ray.errors import InputError
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.job import Job, Pause, Sink, Ticket
from calcgen_ray.generate.rows import MAX_BATCH_TOKENS, Prompt, Row, batches, stream_seed
from calcgen_ray.generate.scoring import Scores, scores
from calcgen_ray.generate.stops import StopWatch

SLICE_SECONDS = 0.3
"""How long a batch keeps others waiting. The shorter, the more often its rows are read again, and
the longer ones among them token by token."""
MOST_ROWS = 32
SPREAD = 24
"""Longest difference in tokens between rows of a batch."""
SEEDED_AT_ONCE = 3
"""Seeded requests that run at the same time; each loads the weights once more."""


class SlicedEngine(Protocol):
    """What the batcher needs of an engine (ctranslate2_engine.py)."""

    @property
    def tokenizer(self) -> Any: ...

    @property
    def max_tokens_total(self) -> int: ...

    def row(self, prompt: Prompt, params: SamplingParams) -> Row: ...

    def advance(
        self,
        rows: Sequence[Sequence[int]],
        steps: int,
        params: SamplingParams,
        hear: Callable[[int, int | None], bool],
    ) -> None: ...

    def log_probs(self, ids: Sequence[int]) -> Any: ...

    def close(self) -> None: ...


class Batcher:
    """Serves an engine's requests until it is closed.

    Args:
        engine: used by this batcher's threads only; closed with it.
    """

    def __init__(self, engine: SlicedEngine) -> None:
        self.engine = engine
        self._queue: deque[Job] = deque()
        self._running: list[Job] = []
        self._wake = threading.Condition()
        self._closed = False
        self._scoring, self._scoring_since = 0, 0.0
        self._apart: list[Job] = []  # rows of seeded requests
        self._seeded = ThreadPoolExecutor(SEEDED_AT_ONCE, thread_name_prefix="seeded")
        self._thread = threading.Thread(target=self._serve, name="batcher", daemon=True)
        self._thread.start()

    def submit(
        self,
        prompts: Sequence[str | Row],
        params: SamplingParams,
        sink: Sink,
        *,
        every: bool = True,
    ) -> Ticket:
        """As `Batching.submit`; `prompts` may be texts, too.

        Raises:
            InputError: a prompt leaves no room for a new token, or the batcher is closed.
        """
        rows = [p if isinstance(p, Row) else self.engine.row(p, params) for p in prompts]
        many = [row for row in rows for _ in range(params.n)]
        one = replace(params, n=1)
        stops = StopWatch(self.engine.tokenizer, params.stop)
        jobs = [Job(place, row, one, sink, stops, every) for place, row in enumerate(many)]
        with self._wake:
            if self._closed:
                raise InputError("the engine was closed; open it again")
            if params.seed is not None and not params.greedy:
                self._apart += jobs
                self._seeded.submit(self._whole, jobs)
            else:
                self._queue.extend(jobs)
                self._wake.notify()
        return Ticket(jobs)

    @property
    def tokenizer(self) -> Any:
        return self.engine.tokenizer

    @property
    def max_tokens_total(self) -> int:
        return self.engine.max_tokens_total

    def row(self, prompt: Prompt, params: SamplingParams) -> Row:
        return self.engine.row(prompt, params)

    def scores(self, ids: Sequence[int], top: int) -> Scores:
        """As `Batching.scores`, between two slices instead of after the whole batch."""
        with self._wake:
            if not self._scoring:
                self._scoring_since = time.perf_counter()
            self._scoring += 1
        try:
            table = self.engine.log_probs(ids)
        finally:
            with self._wake:
                self._scoring -= 1
        return scores(table, ids, top)

    @property
    def pid(self) -> int:
        return os.getpid()

    @property
    def waiting(self) -> int:
        """Rows that no slice has begun yet, nor a thread for those with a seed."""
        apart = sum(not job.begun and not job.over for job in list(self._apart))
        return apart + sum(not job.ids for job in list(self._queue))

    @property
    def running(self) -> int:
        """Rows that have begun, whether a slice of theirs runs or not."""
        apart = sum(bool(job.begun) and not job.over for job in list(self._apart))
        return apart + self.batch_size + sum(bool(job.ids) for job in list(self._queue))

    @property
    def batch_size(self) -> int:
        """Rows of the slice that runs."""
        return len(self._running)

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive() and not self._closed

    def close(self) -> None:
        """Ends what runs with its next token, what waits at once, the threads and the engine."""
        with self._wake:
            self._closed = True
            left = [*self._queue, *self._running, *self._apart]
            for job in left:
                job.cancelled = True
                job.error = job.error or InputError("the engine was closed; ask again")
            self._wake.notify()
        self._thread.join()
        self._seeded.shutdown(wait=True, cancel_futures=True)
        for job in left:
            job.end()
        self.engine.close()

    def _serve(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._closed:
                    self._wake.wait()
                if not self._queue:
                    return
                batch = self._running = self._pick()
            self._slice(batch)
            with self._wake:
                self._running = []
                for job in batch:
                    if not job.over:
                        job.since = time.perf_counter()
                        self._queue.append(job)

    def _oldest(self) -> float | None:
        """Since when somebody waits."""
        since = [self._scoring_since] if self._scoring else []
        with contextlib.suppress(IndexError):
            since.append(self._queue[0].since)
        return min(since, default=None)

    def _pick(self) -> list[Job]:
        """The oldest row and those that may share its batch, taken out of the queue."""
        first = self._queue[0]
        drawing = first.drawing
        batch: list[Job] = []
        longest = 0
        for job in list(self._queue):
            fits = (
                job.drawing == drawing
                and abs(job.length - first.length) <= SPREAD
                and (job.length == 1) == (first.length == 1)  # see the engine's traps
            )
            if not fits or len(batch) == MOST_ROWS:
                continue
            most = max(longest, len(job.row.prompt_ids) + job.row.limit)
            if not batch or (len(batch) + 1) * most <= MAX_BATCH_TOKENS:
                longest = most
                batch.append(job)
        for job in batch:
            self._queue.remove(job)
        return batch

    def _slice(self, batch: list[Job]) -> None:
        alive = [job for job in batch if not job.cancelled]
        for job in batch:
            if job.cancelled:
                job.end()
        if alive:
            params = alive[0].params
            lengths = [job.length for job in alive]
            pause = Pause(self._oldest, SLICE_SECONDS, max(lengths) - min(lengths))
            steps = max(job.row.limit - len(job.ids) for job in alive)
            self._advance(alive, steps, params, pause if params.repetition_penalty == 1 else None)

    def _whole(self, jobs: list[Job]) -> None:
        """A seeded request from its first token to its last, in batches that depend on it alone.

        Each has a seed of its own: with the same one, equal rows of two batches would be equal.
        """
        try:
            for number, batch in enumerate(batches([job.row for job in jobs])):
                part = [jobs[place] for place in batch if not jobs[place].cancelled]
                params = jobs[0].params
                if number and params.seed is not None:
                    params = replace(params, seed=stream_seed(params.seed, number))
                if part:
                    self._advance(part, max(job.row.limit for job in part), params)
        finally:
            for job in jobs:
                job.end()
            with self._wake:
                self._apart = [job for job in self._apart if not job.over]

    def _advance(
        self, jobs: list[Job], steps: int, params: SamplingParams, pause: Pause | None = None
    ) -> None:
        for job in jobs:
            job.begun = job.begun or time.perf_counter()
        rows = [[*job.row.prompt_ids, *job.ids] for job in jobs]
        shortest = min(map(len, rows))

        def hear(place: int, token: int | None) -> bool:
            job = jobs[place]
            if token is None:
                job.end()
                return True
            if job.hear(token):
                return True
            return pause is not None and pause.due(job.length - shortest)

        try:
            self.engine.advance(rows, steps, params, hear)
        except Exception as error:
            for job in jobs:
                job.end(error)
        for job in jobs:
            if job.cancelled or len(job.ids) >= job.row.limit or job.watch.hit(job.ids):
                job.end()
