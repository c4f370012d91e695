"""One trial: a driver function that Tune runs, which builds a Ray Train trainer and waits."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run_trial(proposal: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    """Trains with the proposal's `values` of dotted keys in its own `folder`.

    The folder is named by the trial's number alone, so that a trial that was interrupted goes on
    from its own checkpoint; one with a `donor` begins with the newest of that folder's. An error
    of ours is reported and not raised: Tune tries again what was lost, and this would fail again.
    """
    from ray import tune

    from calcgen_ray.errors import CalcgenError

    try:
        _train(proposal, payload)
    except CalcgenError as error:
        tune.report({"error": str(error)})


def _train(proposal: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    from calcgen_ray import settings
    from calcgen_ray.train import run
    from calcgen_ray.train.driver import fit, make_trainer
    from calcgen_ray.tune.reports import Reports

    config = settings.replace(settings.from_dict(payload["config"]), proposal["values"])
    folder = Path(proposal["folder"])
    run.prepare(config, folder)
    if proposal["donor"]:
        hand_over(Path(proposal["donor"]), folder)
    corpus, device = Path(payload["corpus"]), payload["device"]
    fit(
        lambda: make_trainer(config, corpus, folder, device, [Reports()], patient=True),
        config.workers.max_failures,
    )


def hand_over(donor: Path, folder: Path) -> None:
    """Copies the newest checkpoint of a run into another one that has none, whole or not at all.

    Raises:
        CheckpointError: the donor has none.
    """
    from calcgen_ray.errors import CheckpointError
    from calcgen_ray.model import checkpoint as checkpoints
    from calcgen_ray.train.kept import CHECKPOINTS

    if checkpoints.latest(folder / CHECKPOINTS) is not None:
        return
    found = checkpoints.latest(donor / CHECKPOINTS)
    if found is None:
        raise CheckpointError(f"{donor}: no checkpoint to go on from; delete the search's folder")
    root = folder / CHECKPOINTS
    root.mkdir(parents=True, exist_ok=True)
    draft = root / f".tmp-{uuid.uuid4().hex}"
    shutil.copytree(found.path, draft)
    os.rename(draft, root / found.path.name)
