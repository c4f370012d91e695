"""One trial: a driver function that Tune runs, which builds a Ray Train trainer and waits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRIC = "perplexity"
MODE = "min"


def run_trial(values: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    """Trains with the sampled `values` of dotted keys.

    The inner run's folder is named by the trial's id alone, so that a retried trial goes on from
    its own checkpoint.
    """
    from ray.tune import get_context
    from ray.tune.integration.ray_train import TuneReportCallback

    from calcgen_ray import settings
    from calcgen_ray.train import run
    from calcgen_ray.train.driver import fit, make_trainer

    config = settings.replace(settings.from_dict(payload["config"]), values)
    folder = trial_folder(Path(payload["folder"]), get_context().get_trial_id())
    run.prepare(config, folder)
    callbacks = [TuneReportCallback()]
    fit(make_trainer(config, Path(payload["corpus"]), folder, payload["device"], callbacks))


def trial_folder(folder: Path, trial: str) -> Path:
    """Where a trial's run lies within its search's folder."""
    return folder / "trials" / trial
