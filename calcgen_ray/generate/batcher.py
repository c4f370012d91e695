"""All clients' requests on one engine: slices of time, and between slices who wants joins in.

CTranslate2 cannot take a row into a running batch. So where somebody waits, a batch ends after
`SLICE_SECONDS`: its rows go back into the queue with what they have, and the next batch is made of
whoever is there. A short request waits for one slice of a long one, which pays by having its own
text read again. Rows share a batch if they are drawn in the same way and their lengths are alike,
since the engine reads the longer ones' surplus token by token.

A request with a seed runs whole, on a generator and a thread of its own: its text depends on seed,
prompts and settings and on nothing else that is served, and the others do not wait for it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from calcgen_ray.errors import InputError
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.rows import Row
from calcgen_ray.generate.stops import StopWatch

SLICE_SECONDS = 0.15
"""How long a batch keeps others waiting. Half as long costs a sixth of the tokens a second."""
MOST_ROWS = 32
SPREAD = 64
"""Longest difference in tokens between rows of a batch."""

Sink = Callable[[int, int | None], None]
"""Called on an engine's thread with a row's place and its next token; None once it is over."""


class SlicedEngine(Protocol):
    """What the batcher needs of an engine (ctranslate2_engine.py)."""

    @property
    def tokenizer(self) -> Any: ...

    def row(self, prompt: str, params: SamplingParams) -> Row: ...

    def advance(
        self,
        rows: Sequence[Sequence[int]],
        steps: int,
        params: SamplingParams,
        hear: Callable[[int, int], bool],
    ) -> list[list[int]]: ...


@dataclass(slots=True, eq=False)
class Job:
    """One row on its way. `ids` are its new tokens; `error` is what ended it, if anything did."""

    place: int
    row: Row
    params: SamplingParams
    sink: Sink
    watch: StopWatch
    ids: list[int] = field(default_factory=list)
    begun: float = 0.0  # time.perf_counter() of its first slice
    cancelled: bool = False
    over: bool = False
    error: Exception | None = None

    @property
    def length(self) -> int:
        return len(self.row.prompt_ids) + len(self.ids)

    @property
    def drawing(self) -> SamplingParams:
        """What the engine draws by: the rows of a batch have it in common."""
        return replace(self.params, max_tokens=1, stop=(), seed=None)

    def hear(self, token: int) -> bool:
        """Takes a token and passes it on; True where the row ends here."""
        if self.cancelled or len(self.ids) >= self.row.limit:
            return True
        self.ids.append(token)
        self.sink(self.place, token)
        return self.watch.hit(self.ids)

    def end(self, error: Exception | None = None) -> None:
        if not self.over:
            self.over, self.error = True, error
            self.sink(self.place, None)


class Pause:
    """When the rows of a batch stop for others: all of them after the same step.

    Args:
        wanted: whether somebody waits.
        seconds: how long nobody is heard.
    """

    def __init__(self, wanted: Callable[[], bool], seconds: float) -> None:
        self.wanted, self.seconds, self.begin = wanted, seconds, time.perf_counter()
        self.at: int | None = None

    def due(self, steps: int) -> bool:
        """Whether a row that has made `steps` tokens in this batch stops here."""
        if self.at is None and self.wanted() and time.perf_counter() - self.begin > self.seconds:
            self.at = steps + 1  # the rows before it in this step have gone on already
        return self.at is not None and steps >= self.at


class Ticket:
    """A request in the batcher: its rows, `n` for each prompt in turn."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs

    def cancel(self) -> None:
        """Ends every row with its next token."""
        for job in self.jobs:
            job.cancelled = True


class Batcher:
    """Serves an engine's requests until it is closed.

    Args:
        engine: used by this batcher's threads only.
    """

    def __init__(self, engine: SlicedEngine) -> None:
        self.engine = engine
        self._queue: deque[Job] = deque()
        self._running: list[Job] = []
        self._wake = threading.Condition()
        self._closed = False
        self._seeded = ThreadPoolExecutor(max_workers=1, thread_name_prefix="seeded")
        self._thread = threading.Thread(target=self._serve, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, prompts: Sequence[str], params: SamplingParams, sink: Sink) -> Ticket:
        """Takes a request; `sink` hears of row i * n + k for sample k of prompt i.

        Raises:
            InputError: a prompt leaves no room for a new token, or the batcher is closed.
        """
        rows = [self.engine.row(prompt, params) for prompt in prompts]
        many = [row for row in rows for _ in range(params.n)]
        one = replace(params, n=1)
        stops = StopWatch(self.engine.tokenizer, params.stop)
        jobs = [Job(place, row, one, sink, stops) for place, row in enumerate(many)]
        with self._wake:
            if self._closed:
                raise InputError("the engine was closed; open it again")
            if params.seed is not None and not params.greedy:
                self._seeded.submit(self._whole, jobs)
            else:
                self._queue.extend(jobs)
                self._wake.notify()
        return Ticket(jobs)

    @property
    def waiting(self) -> int:
        """Rows that no slice has begun yet."""
        return sum(not job.ids for job in list(self._queue))

    @property
    def running(self) -> int:
        """Rows that have begun, whether a slice of theirs runs or not."""
        return self.batch_size + sum(bool(job.ids) for job in list(self._queue))

    @property
    def batch_size(self) -> int:
        """Rows of the slice that runs."""
        return len(self._running)

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive() and not self._closed

    def close(self) -> None:
        """Ends what runs with its next token, and both threads."""
        with self._wake:
            self._closed = True
            for job in [*self._queue, *self._running]:
                job.cancelled = True
            self._wake.notify()
        self._thread.join()
        self._seeded.shutdown(wait=True, cancel_futures=True)

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
                self._queue.extend(job for job in batch if not job.over)

    def _pick(self) -> list[Job]:
        """The oldest row and those that may share its batch, taken out of the queue."""
        first = self._queue[0]
        drawing = first.drawing
        alone = len(first.row.prompt_ids) + len(first.ids) == 1  # see the engine's traps
        batch: list[Job] = []
        for job in list(self._queue):
            fits = (
                job.drawing == drawing
                and abs(job.length - first.length) <= SPREAD
                and (job.length == 1) == alone
            )
            if fits and len(batch) < MOST_ROWS:
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
            pause = Pause(lambda: bool(self._queue), SLICE_SECONDS)
            self._advance(alive, max(job.row.limit - len(job.ids) for job in alive), pause)

    def _whole(self, jobs: list[Job]) -> None:
        """A seeded request from its first token to its last: rows of one length class at a time."""
        single = [job for job in jobs if job.length == 1]
        for part in (single, [job for job in jobs if job.length > 1]):
            if part:
                self._advance(part, max(job.row.limit for job in part))

    def _advance(self, jobs: list[Job], steps: int, pause: Pause | None = None) -> None:
        for job in jobs:
            job.begun = job.begun or time.perf_counter()
        begun = [len(job.ids) for job in jobs]
        rows = [[*job.row.prompt_ids, *job.ids] for job in jobs]

        def hear(place: int, token: int) -> bool:
            job = jobs[place]
            if job.hear(token):
                return True
            return pause is not None and pause.due(len(job.ids) - begun[place])

        try:
            made = self.engine.advance(rows, steps, jobs[0].params, hear)
        except Exception as error:
            for job in jobs:
                job.end(error)
            return
        for job, start, new in zip(jobs, begun, made, strict=True):
            paused = pause is not None and pause.at == len(job.ids) - start
            self._settle(job, ended=len(new) < steps and not paused)

    def _settle(self, job: Job, *, ended: bool) -> None:
        """Ends a row that is over: stopped, full, or ended by the model."""
        full = len(job.ids) >= job.row.limit
        if job.cancelled or ended or full or job.watch.hit(job.ids):
            job.end()
