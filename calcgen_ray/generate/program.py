"""The engine's process: one model and its batcher, for a replica that speaks HTTP elsewhere.

    python -m calcgen_ray.generate.program DESCRIPTOR

The engine calls back for every token, and must hold Python's lock to do so. In the replica it
waited for whatever request was being read or answered; here nothing else runs. It imports neither
torch nor transformers, and ends when its socket does; weights that were made for the replica go
then, since one that was killed cannot see to it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from calcgen_ray.errors import CalcgenError
from calcgen_ray.generate.batcher import Batcher
from calcgen_ray.generate.ctranslate2_engine import CTranslate2Engine
from calcgen_ray.generate.job import Job, Sink, Ticket
from calcgen_ray.generate.link import (
    Cancel,
    Link,
    Made,
    Open,
    Opened,
    Over,
    Score,
    Scored,
    Submit,
)
from calcgen_ray.generate.weights import Weights

BEAT_SECONDS = 1.0
"""How often to say that it still runs."""


def main() -> None:
    """Serves until there is nobody to serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the replica's to hear
    with contextlib.suppress(OSError):  # Ray's workers run at nice 15; the engine goes before them
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    link = Link(int(sys.argv[1]))
    wanted = link.receive()
    try:
        batcher = _open(wanted)
    except CalcgenError as error:
        link.send(Opened(str(error)))
        return
    link.send(Opened())
    code = 1
    try:
        Server(link, batcher).run()
    except (EOFError, OSError):
        batcher.close()
        code = 0
    except Exception:
        traceback.print_exc()
    if wanted.scratch and _has_gone(link):
        shutil.rmtree(wanted.scratch, ignore_errors=True)
    os._exit(code)  # whatever a thread is in the middle of


def _has_gone(link: Link) -> bool:
    """Whether the replica has: else it starts another process with the same weights."""
    with contextlib.suppress(EOFError, OSError):
        while link.poll(0):
            link.receive()
        return False
    return True


def _open(wanted: Open) -> Batcher:
    weights = Weights(
        Path(wanted.folder), wanted.tokenizer, wanted.max_tokens_total, wanted.compute_type
    )
    return Batcher(CTranslate2Engine(weights, wanted.threads))


class Server:
    """Hands requests to a batcher, and what comes of them back."""

    def __init__(self, link: Link, batcher: Batcher) -> None:
        self.link, self.batcher = link, batcher
        self.tickets: dict[int, Ticket] = {}
        self.open: dict[int, int] = {}  # rows that are not over
        self.taking = threading.Lock()
        self.scorers = ThreadPoolExecutor(2, thread_name_prefix="scoring")

    def run(self) -> None:
        """Raises EOFError or OSError once the replica has gone."""
        beat = time.monotonic()
        while self.batcher.alive:
            if (now := time.monotonic()) >= beat:
                self.link.send(None)
                beat = now + BEAT_SECONDS
            if not self.link.poll(BEAT_SECONDS):
                continue
            message = self.link.receive()
            if isinstance(message, Submit):
                self.take(message)
            elif isinstance(message, Cancel):
                if (ticket := self.tickets.get(message.number)) is not None:
                    ticket.cancel()
            else:
                self.scorers.submit(self.score, message)

    def tell(self, message: Made | Over | Scored) -> None:
        """Does nothing where the replica has gone, which `run` is told of."""
        with contextlib.suppress(OSError):
            self.link.send(message)

    def take(self, asked: Submit) -> None:
        """Its tokens may come before its ticket is there: they wait for the lock."""
        sink = self.sink(asked.number)
        with self.taking:
            ticket = self.batcher.submit(asked.rows, asked.params, sink, every=asked.every)
            self.tickets[asked.number] = ticket
            self.open[asked.number] = len(ticket.jobs)

    def sink(self, number: int) -> Sink:
        def hear(place: int, token: int | None) -> None:
            ticket = self.tickets.get(number)
            if ticket is None:
                with self.taking:
                    ticket = self.tickets[number]
            job = ticket.jobs[place]
            if token is None:
                self.end(number, job)
            else:
                batch = self.batcher.batch_size
                self.tell(Made(number, place, token, job.begun, batch))

        return hear

    def end(self, number: int, job: Job) -> None:
        with self.taking:
            self.open[number] -= 1
            if not self.open[number]:
                del self.open[number], self.tickets[number]
        error = "" if job.error is None else f"{type(job.error).__name__}: {job.error}"
        self.tell(Over(number, job.place, job.ids, job.begun, error))

    def score(self, asked: Score) -> None:
        try:
            found = Scored(asked.number, self.batcher.scores(asked.ids, asked.top))
        except Exception as error:
            found = Scored(asked.number, None, f"{type(error).__name__}: {error}")
        self.tell(found)


if __name__ == "__main__":
    main()
