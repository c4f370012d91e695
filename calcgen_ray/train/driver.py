"""Training on Ray Train: builds the trainer, waits, and turns its failures into one line."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from calcgen_ray import cluster
from calcgen_ray.config import Config
from calcgen_ray.corpus import store
from calcgen_ray.errors import CalcgenError, ResourceError, StoppedError, TrainingError, ours
from calcgen_ray.runtime import Device
from calcgen_ray.storage import Mirror
from calcgen_ray.train import journal, lease, orphans, run
from calcgen_ray.train.kept import CHECKPOINTS

Listener = Callable[[journal.Entry], None]

PULL_SECONDS = 3
"""Between two looks at a bucket's journal."""
STARTS = 10
"""How often in a row workers find no room for a minute, each after a node was lost."""
START_SECONDS = 60
"""Of each: Ray Train's own limit."""
COLLECTIVE_SECONDS = 120
"""A lost peer costs this long before a gloo or nccl call gives up; Ray's default is 1,800."""


def train(
    config: Config, corpus: Path, folder: Path, listen: Listener, mirror: Mirror | None = None
) -> run.TrainResult:
    """Trains a run to its end, going on where an earlier process was ended.

    Args:
        corpus: folder of a built corpus.
        folder: the run's own folder; made when it is missing.
        listen: called with each journal entry as it is written, and with one of event `wait`
            and its `reason` while there is no room for the workers.
        mirror: of the bucket that the run lies in; `corpus` and `folder` are then in its copy.

    Raises:
        InputError: what the caller can mend; ResourceError: a node does not see the storage.
        TrainingError: the workers failed more often than workers.max_failures allows.
        StoppedError: this process got SIGTERM; a checkpoint was saved after the step under way.
    """
    if mirror is None:
        return _train(config, corpus, folder, listen, None)
    mirror.check()
    with lease.held(mirror, folder.name):
        _fetch(mirror, corpus, folder)
        return _train(config, corpus, folder, listen, mirror)


def _train(
    config: Config, corpus: Path, folder: Path, listen: Listener, mirror: Mirror | None
) -> run.TrainResult:
    run.prepare(config, folder)
    if mirror is not None:
        mirror.push(folder / run.CONFIG)
    with run.locked(folder):
        if not run.is_finished(folder):
            cluster.connect(dashboard=False)
            device = cluster.fit(config.workers, cluster.nodes())
            cluster.try_storage(mirror.uri if mirror else str(folder.resolve()))
            path, pull = folder / journal.JOURNAL, mirror.pull if mirror else None
            told = stoppable(None if mirror else folder)
            with following(path, listen, pull), orphans.given_back(), told as asked:
                cluster.await_room(config.workers, device, partial(_say, listen))
                fit(
                    lambda: make_trainer(config, corpus, folder, device, mirror=mirror),
                    config.workers.max_failures,
                )
            if mirror is not None:
                mirror.pull(folder)
            if asked.is_set() and not run.is_finished(folder):
                raise StoppedError(
                    f"run {folder.name!r} was told to end and saved a checkpoint; "
                    "the same command goes on from there"
                )
        journal.write_table(folder / journal.JOURNAL, folder / journal.TABLE)
        return run.result(folder)


def _say(listen: Listener, text: str) -> None:
    """Tells what no worker wrote, as an entry that is not in the journal."""
    listen({"event": "wait", "step": 0, "reason": text})


def _fetch(mirror: Mirror, corpus: Path, folder: Path) -> None:
    """Makes this process's copy of the run the bucket's, and puts the corpus there."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    for name in (run.CONFIG, journal.JOURNAL):
        (folder / name).unlink(missing_ok=True)
    mirror.pull(folder)
    if not mirror.has(corpus / store.MANIFEST):
        mirror.push(corpus)


def make_trainer(
    config: Config,
    corpus: Path,
    folder: Path,
    device: Device,
    callbacks: Sequence[Any] = (),
    mirror: Mirror | None = None,
    patient: bool = False,
) -> Any:
    """A Ray Train V2 trainer whose workers run the loop.

    `patient`: its workers wait for room as long as it takes, as those of a search's trials do.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig

    from calcgen_ray.train.group import ProcessGroup
    from calcgen_ray.train.trainer import Trainer
    from calcgen_ray.train.worker import train_worker

    workers = config.workers
    return Trainer(
        train_worker,
        train_loop_config={
            "config": config.model_dump(mode="json"),
            "corpus": str(corpus.relative_to(mirror.root) if mirror else corpus.resolve()),
            "folder": str(folder.relative_to(mirror.root) if mirror else folder.resolve()),
            "bucket": mirror.uri if mirror else None,
            "device": device,
        },
        scaling_config=ScalingConfig(
            num_workers=(workers.min_count, workers.count) if workers.min_count else workers.count,
            use_gpu=device == "gpu",
            resources_per_worker=cluster.per_worker(workers, device),
        ),
        backend_config=ProcessGroup(
            backend="nccl" if device == "gpu" else "gloo", timeout_s=COLLECTIVE_SECONDS
        ),
        run_config=RunConfig(
            name="train",
            storage_path=str((folder / ".ray").resolve()),
            failure_config=FailureConfig(
                max_failures=workers.max_failures, controller_failure_limit=-1 if patient else 0
            ),
            callbacks=list(callbacks),
        ),
    )


def fit(make: Callable[[], Any], retries: int) -> None:
    """Runs a trainer to its end.

    Args:
        make: gives a new one; what it has saved it goes on from.
        retries: how often a loss is made good that Ray Train does not make good itself: that of a
            node while its workers are started or told what to do (Ray 2.60).

    Raises:
        CalcgenError: the one that a worker raised, if it was ours.
        ResourceError: workers that had been lost found no room `STARTS` times in a row.
        TrainingError: any other failure, by its first line.
    """
    from ray.exceptions import NodeDiedError, ObjectLostError, RayActorError
    from ray.train import TrainingFailedError
    from ray.train.v2._internal import exceptions as rays

    losses = (RayActorError, NodeDiedError, ObjectLostError, rays.WorkerGroupStartupFailedError)
    waits = 0
    while True:
        begin = time.monotonic()
        try:
            make().fit()
            return
        except TrainingFailedError as error:
            cause = getattr(error, "controller_failure", None)
            if isinstance(cause, rays.WorkerGroupStartupTimeoutError):
                at_once = time.monotonic() - begin < 2 * START_SECONDS  # nothing was trained before
                waits = waits + 1 if at_once else 1
                if waits >= STARTS:
                    raise ResourceError(_no_room(cause.num_workers)) from None
            elif isinstance(cause, losses) and retries:
                retries -= 1
            else:
                raise _told(error) from None


def _no_room(workers: int) -> str:
    return (
        f"workers.count={workers}: there was no room for so many for {STARTS * START_SECONDS} s "
        "after some were lost; bring a node back, set workers.min_count to go on with fewer, and "
        "the same command goes on from the last checkpoint"
    )


def _told(error: Exception) -> CalcgenError:
    """A failure in one line."""
    failures = getattr(error, "worker_failures", {}) or {}
    for cause in failures.values():
        found = ours(cause)
        if found is not None:
            return found
    if "out of memory" in str(error) or "out of memory" in str(failures):
        return TrainingError(
            "training failed: a worker was ended since its node ran out of memory; lower "
            "train.micro_batch_size, set train.gradient_checkpointing=true, or spread the "
            "model with workers.strategy=fsdp"
        )
    cause = next(iter(failures.values()), error)
    lines = [line for line in str(cause).strip().splitlines() if line.strip()]
    return TrainingError(f"training failed: {lines[-1] if lines else repr(cause)}")


@contextmanager
def stoppable(folder: Path | None) -> Iterator[threading.Event]:
    """While the block runs, SIGTERM asks the workers to save and leave; gives whether it came.

    A file in the run's folder tells them, since it reaches every node as checkpoints do. Nothing is
    changed without a folder, nor in another thread than the main one, which sets no handler.
    """
    from calcgen_ray.train.worker import STOP

    asked = threading.Event()
    if folder is None or threading.current_thread() is not threading.main_thread():
        yield asked
        return
    path = folder / STOP
    path.unlink(missing_ok=True)

    def ask(number: int, frame: object) -> None:
        asked.set()
        path.touch()

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
        path.unlink(missing_ok=True)


@contextmanager
def following(
    path: Path, listen: Listener, pull: Callable[[Path], bool] | None = None
) -> Iterator[None]:
    """Calls `listen` with each line that is added to a journal, until the block ends.

    `pull` brings it here where it is written elsewhere.
    """
    done = threading.Event()
    thread = threading.Thread(target=_follow, args=(path, listen, done, pull), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(5)


def _follow(
    path: Path, listen: Listener, done: threading.Event, pull: Callable[[Path], bool] | None
) -> None:
    place, last = 0, False
    while not last:
        last = done.wait(PULL_SECONDS if pull else 0.3)
        if pull:
            with suppress(OSError):
                pull(path)
        entries, place = journal.read_from(path, place)
        for entry in entries:
            listen(entry)
