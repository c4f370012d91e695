"""What an endpoint counts, in Prometheus's text: one registry a replica."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)

from calcgen_ray.generate.batching import Batching

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
PER_TOKEN = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class Metrics:
    """Counters, gauges and histograms of one replica.

    Args:
        replica: its name, a label of all that it tells: a scrape through the endpoint's address
            reaches one of several replicas, and their counts must not be taken for each other's.
        live: what serves now; called when the metrics are read.
        held: how many requests are let in and not over.
    """

    def __init__(
        self, live: Callable[[], Batching], held: Callable[[], int] = int, replica: str = ""
    ) -> None:
        self.replica = replica
        self.registry = registry = CollectorRegistry()
        # Memory, open files, processor time: of this process, and of the engine's.
        ProcessCollector(registry=registry)
        ProcessCollector("calcgen_engine", pid=lambda: live().pid, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"calcgen_{name}", text, buckets=buckets, registry=registry)

        self.requests = Counter("calcgen_requests", "requests by route and status",
                                ["route", "status"], registry=registry)  # fmt: skip
        self.tokens_in = Counter("calcgen_prompt_tokens", "tokens read", registry=registry)
        self.tokens_out = Counter("calcgen_completion_tokens", "tokens made", registry=registry)
        self.queue_wait = histogram(
            "queue_wait_seconds", "from arrival to the first slice", SECONDS
        )
        self.first_token = histogram("time_to_first_token_seconds", "from arrival", SECONDS)
        self.per_token = histogram("time_per_output_token_seconds", "after the first", PER_TOKEN)
        self.duration = histogram("request_seconds", "from arrival to the last byte", SECONDS)
        gauge = partial(Gauge, registry=registry)
        gauge("calcgen_requests_held", "requests that are being served").set_function(held)
        running = gauge("calcgen_rows_running", "rows of completions that have begun")
        running.set_function(lambda: live().running)
        waiting = gauge("calcgen_rows_waiting", "rows of completions that have not")
        waiting.set_function(lambda: live().waiting)
        batch = gauge("calcgen_batch_size", "rows of the batch that runs")
        batch.set_function(lambda: live().batch_size)

    def text(self) -> bytes:
        """The exposition format."""
        return bytes(generate_latest(self))  # type: ignore[arg-type]  # it asks for collect alone

    def collect(self) -> Iterator[Metric]:
        """All figures, with the replica's name."""
        told = {"replica": self.replica} if self.replica else {}
        for metric in self.registry.collect():
            metric.samples = [
                sample._replace(labels={**sample.labels, **told}) for sample in metric.samples
            ]
            yield metric

    @contextmanager
    def timed(self) -> Iterator[Clock]:
        """Measures a request from here to the block's end."""
        clock = Clock(self)
        try:
            yield clock
        finally:
            clock.close()


class Clock:
    """The times of one request's tokens."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics, self.begin = metrics, time.perf_counter()
        self.first = 0.0
        self.last = 0.0
        self.tokens = 0

    def token(self, begun: float) -> None:
        """A token has come, of a row whose first slice began then."""
        now = time.perf_counter()
        if not self.tokens:
            self.first = now
            self.metrics.first_token.observe(now - self.begin)
            self.metrics.queue_wait.observe(max(0.0, begun - self.begin))
        self.tokens += 1
        self.last = now

    def all_of_them(self, tokens: int) -> None:
        """So many tokens have come by now, of which only some were told."""
        self.tokens, self.last = tokens, time.perf_counter()

    def close(self) -> None:
        self.metrics.tokens_out.inc(self.tokens)
        self.metrics.duration.observe(time.perf_counter() - self.begin)
        if self.tokens > 1:
            self.metrics.per_token.observe((self.last - self.first) / (self.tokens - 1))
