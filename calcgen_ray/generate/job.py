"""A request's rows on their way through the batcher, and when a batch of them pauses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.rows import Row
from calcgen_ray.generate.stops import StopWatch

Sink = Callable[[int, int | None], None]
"""Called on an engine's thread with a row's place and its next token; None once it is over."""


@dataclass(slots=True, eq=False)
class Job:
    """One row on its way. `ids` are its new tokens; `error` is what ended it, if anything did."""

    place: int
    row: Row
    params: SamplingParams
    sink: Sink
    watch: StopWatch
    every: bool = True  # else of its tokens the first one only is told
    ids: list[int] = field(default_factory=list)
    since: float = field(default_factory=time.perf_counter)  # when it was last put into the queue
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
        if self.every or len(self.ids) == 1:
            self.sink(self.place, token)
        return self.watch.hit(self.ids)

    def end(self, error: Exception | None = None) -> None:
        if not self.over:
            self.over, self.error = True, error or self.error
            self.sink(self.place, None)


class Ticket:
    """A request in the batcher: its rows, `n` for each prompt in turn."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs

    def cancel(self) -> None:
        """Ends every row with its next token."""
        for job in self.jobs:
            job.cancelled = True


CATCHING_UP = 5
"""A batch takes at least so many times the steps in which its longer rows' surplus is read. With
fewer, thirty clients get down to half as many tokens; with none, a row may never make one."""
LATE = 2
"""The same where somebody has waited for `LATE_SECONDS`."""
LATE_SECONDS = 1.0


class Pause:
    """When the rows of a batch stop for others: all of them after the same step.

    Args:
        oldest: since when somebody waits, by time.perf_counter(); None where nobody does.
        seconds: how long nobody is heard; a batch also takes as long as it took until its first
            token, so that it is never mostly read again.
        surplus: tokens of the longest row beyond the shortest, which are read one a step.
    """

    def __init__(
        self, oldest: Callable[[], float | None], seconds: float, surplus: int = 0
    ) -> None:
        self.oldest, self.seconds, self.surplus = oldest, seconds, surplus
        self.begin, self.end = time.perf_counter(), 0.0  # the end is not known before a token
        self.at: int | None = None

    def due(self, step: int) -> bool:
        """Whether a row that is done with so many steps of the batch stops here."""
        now = time.perf_counter()
        if not self.end:
            self.end = now + now - self.begin
        if self.at is None and now > self.end:
            since = self.oldest()
            if since is not None and self._enough(step, now - since):
                self.at = step + 1  # the rows before it in this step have gone on already
        return self.at is not None and step >= self.at

    def _enough(self, step: int, waited: float) -> bool:
        times = LATE if waited > LATE_SECONDS else CATCHING_UP
        return waited > self.seconds and step >= times * self.surplus
