"""Training on Ray Train: builds the trainer, waits, and turns its failures into one line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calcgen_ray import cluster
from calcgen_ray.config import Config
from calcgen_ray.errors import CalcgenError, TrainingError
from calcgen_ray.runtime import Device
from calcgen_ray.train import journal, run
from calcgen_ray.train.worker import train_worker

Listener = Callable[[journal.Entry], None]

COLLECTIVE_SECONDS = 120
"""A lost peer costs this long before a gloo or nccl call gives up; Ray's default is 1,800."""


def train(config: Config, corpus: Path, folder: Path, listen: Listener) -> run.TrainResult:
    """Trains a run to its end, going on where an earlier process was ended.

    Args:
        corpus: folder of a built corpus.
        folder: the run's own folder; made when it is missing.
        listen: called with each journal entry as it is written.

    Raises:
        InputError: what the caller can mend.
        TrainingError: the workers failed more often than workers.max_failures allows.
    """
    run.prepare(config, folder)
    with run.locked(folder):
        if not run.is_finished(folder):
            cluster.connect()
            device = cluster.fit(config.workers, cluster.nodes())
            with following(folder / journal.JOURNAL, listen):
                fit(make_trainer(config, corpus, folder, device))
        journal.write_table(folder / journal.JOURNAL, folder / journal.TABLE)
        return run.result(folder)


def make_trainer(
    config: Config, corpus: Path, folder: Path, device: Device, callbacks: Sequence[Any] = ()
) -> Any:
    """A Ray Train V2 trainer whose workers run the loop."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    return TorchTrainer(
        train_worker,
        train_loop_config={
            "config": config.model_dump(mode="json"),
            "corpus": str(corpus.resolve()),
            "folder": str(folder.resolve()),
        },
        scaling_config=ScalingConfig(
            num_workers=config.workers.count,
            use_gpu=device == "gpu",
            resources_per_worker=cluster.per_worker(config.workers, device),
        ),
        torch_config=TorchConfig(
            backend="nccl" if device == "gpu" else "gloo", timeout_s=COLLECTIVE_SECONDS
        ),
        run_config=RunConfig(
            name="train",
            storage_path=str((folder / ".ray").resolve()),
            failure_config=FailureConfig(max_failures=config.workers.max_failures),
            callbacks=list(callbacks),
        ),
    )


def fit(trainer: Any) -> None:
    """Runs a trainer to its end.

    Raises:
        CalcgenError: the one that a worker raised, if it was ours.
        TrainingError: any other failure, by its first line.
    """
    from ray.train import TrainingFailedError

    try:
        trainer.fit()
    except TrainingFailedError as error:
        failures = getattr(error, "worker_failures", {}) or {}
        for cause in failures.values():
            found = _ours(cause)
            if found is not None:
                raise found from None
        cause = next(iter(failures.values()), error)
        lines = [line for line in str(cause).strip().splitlines() if line.strip()]
        raise TrainingError(f"training failed: {lines[-1] if lines else cause!r}") from None


def _ours(error: BaseException | None) -> CalcgenError | None:
    while error is not None:
        if isinstance(error, CalcgenError):
            return error
        inner = getattr(error, "cause", None) or getattr(error, "_base_exc", None)
        error = inner or error.__cause__
    return None


@contextmanager
def following(path: Path, listen: Listener) -> Iterator[None]:
    """Calls `listen` with each line that is added to a journal, until the block ends."""
    done = threading.Event()
    thread = threading.Thread(target=_follow, args=(path, listen, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(5)


def _follow(path: Path, listen: Listener, done: threading.Event) -> None:
    place, last = 0, False
    while not last:
        last = done.wait(0.3)
        entries, place = journal.read_from(path, place)
        for entry in entries:
            listen(entry)
