"""Trackers that hear of every score: TensorBoard, MLflow, Weights & Biases.

None is imported unless it is asked for, and one that fails is left out with one line: a search
never ends because of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from calcgen_ray.config import Config
from calcgen_ray.errors import ConfigError

Event = Mapping[str, Any]
Listener = Callable[[Event], None]


class Tracker(Protocol):
    """Hears events of a search (conductor.py) and writes them somewhere."""

    def hear(self, event: Event) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """A run a trial under `FOLDER/tensorboard`."""

    def __init__(self, config: Config, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._open, self._folder = SummaryWriter, folder / "tensorboard"
        self._writers: dict[str, Any] = {}

    def hear(self, event: Event) -> None:
        if not _has_score(event):
            return
        name = event["trial"]
        if name not in self._writers:
            self._writers[name] = self._open(str(self._folder / name))
        self._writers[name].add_scalar("perplexity", event["perplexity"], event["tokens"])
        self._writers[name].flush()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class MLflow:
    """An experiment a search, a run a trial; MLFLOW_TRACKING_URI or `FOLDER/mlflow.db`."""

    def __init__(self, config: Config, folder: Path) -> None:
        import os

        from mlflow import MlflowClient

        place = os.environ.get("MLFLOW_TRACKING_URI") or _database(folder)
        self._client: Any = MlflowClient(place)
        known = self._client.get_experiment_by_name(config.run_name)
        self._experiment = (
            known.experiment_id if known else self._client.create_experiment(config.run_name)
        )
        self._runs: dict[str, str] = {}

    def hear(self, event: Event) -> None:
        name = event["trial"]
        if name not in self._runs:
            run = self._client.create_run(self._experiment, run_name=name)
            self._runs[name] = run.info.run_id
            for key, value in event["values"].items():
                self._client.log_param(run.info.run_id, key, value)
        if _has_score(event):
            step = int(event["tokens"])
            self._client.log_metric(self._runs[name], "perplexity", event["perplexity"], step=step)
        if event["event"] in ("end", "error"):
            status = "FAILED" if event["event"] == "error" else "FINISHED"
            self._client.set_terminated(self._runs[name], status)

    def close(self) -> None: ...


class WandB:
    """A group a search, a run a trial, in W&B's own mode (WANDB_MODE=offline keeps it local)."""

    def __init__(self, config: Config, folder: Path) -> None:
        import wandb

        self._wandb: Any = wandb
        self._group, self._folder = config.run_name, folder
        self._runs: dict[str, Any] = {}

    def hear(self, event: Event) -> None:
        name = event["trial"]
        if name not in self._runs:
            self._runs[name] = self._wandb.init(
                project="calcgen-ray", group=self._group, name=name, dir=str(self._folder),
                config=dict(event["values"]), reinit="create_new",
                settings=self._wandb.Settings(silent=True),
            )  # fmt: skip
        if _has_score(event):
            self._runs[name].log({"perplexity": event["perplexity"], "tokens": event["tokens"]})
        if event["event"] in ("end", "error"):
            self._runs.pop(name).finish()

    def close(self) -> None:
        for run in self._runs.values():
            run.finish()


KINDS: Mapping[str, tuple[Callable[[Config, Path], Tracker], str, str]] = {
    "tensorboard": (TensorBoard, "tensorboard", "tensorboard"),
    "mlflow": (MLflow, "mlflow", "mlflow"),
    "wandb": (WandB, "wandb", "wandb"),
}
"""By name in tune.report_to: how it is opened, the module that it needs, the extra with it."""


@contextmanager
def telling(config: Config, folder: Path, listen: Listener) -> Iterator[Listener]:
    """A listener that passes events to `listen` and to the trackers of the configuration.

    Raises:
        ConfigError: the package of a tracker is not installed.
    """
    trackers: dict[str, Tracker] = {}
    for name in map(str, config.tune.report_to):
        make, module, extra = KINDS[name]
        if find_spec(module) is None:
            raise ConfigError(
                f"tune.report_to: {name} is not installed; pip install 'calcgen-ray[{extra}]', or "
                "leave it out"
            )
        with _left_out(trackers, name, listen):
            trackers[name] = make(config, folder)

    def told(event: Event) -> None:
        listen(event)
        for name in list(trackers):
            with _left_out(trackers, name, listen):
                trackers[name].hear(event)

    try:
        yield told
    finally:
        for name in list(trackers):
            with _left_out(trackers, name, listen):
                trackers[name].close()


@contextmanager
def _left_out(trackers: dict[str, Tracker], name: str, listen: Listener) -> Iterator[None]:
    """On any failure within, the tracker is left out from then on, with one line."""
    try:
        yield
    except Exception as error:
        trackers.pop(name, None)
        line = (str(error).splitlines() or [""])[0][:200]
        listen({"event": "note", "text": f"{name} failed and is left out: {line}"})


def _database(folder: Path) -> str:
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


def _has_score(event: Event) -> bool:
    return event["event"] == "result" and math.isfinite(event["perplexity"])
