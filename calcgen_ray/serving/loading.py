"""Opening a checkpoint for a replica: verified, read once, asked for a token."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from calcgen_ray.errors import CalcgenError, CheckpointError
from calcgen_ray.generate.batching import Batching
from calcgen_ray.generate.convert import ENGINE_FOLDER
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.registry.store import MODELS, Registry, check_finite

SMOKE_PROMPT = "# Differentiate x**2 with respect to x.\n"
LOG = logging.getLogger("calcgen.serving")


@dataclass(slots=True, eq=False)
class Model:
    """A checkpoint that is loaded. `id` is what clients call it, `entry` what the registry does."""

    id: str
    entry: str
    digest: str
    batcher: Batching
    created: int = field(default_factory=lambda: int(time.time()))
    users: int = 0
    retired: bool = False

    @property
    def max_tokens_total(self) -> int:
        return self.batcher.max_tokens_total


OpenBatcher = Callable[[Path], Batching]


def load(folder: Path, name: str, open_batcher: OpenBatcher) -> Model:
    """Opens a checkpoint and asks it for a token.

    Raises:
        CalcgenError: it does not open, or makes none.
    """
    batcher = open_batcher(folder)
    try:
        _try(batcher, folder)
    except BaseException:
        batcher.close()
        raise
    return Model(name, folder.name, Registry.digest_of(folder) or name, batcher)


def _try(batcher: Batching, folder: Path) -> None:
    params, over = SamplingParams(max_tokens=1, temperature=0), threading.Event()
    row = batcher.row(SMOKE_PROMPT, params)
    ticket = batcher.submit([row], params, lambda _, token: over.set() if token is None else None)
    over.wait()
    if (error := ticket.jobs[0].error) is not None:
        raise CheckpointError(f"{folder}: makes no token: {error}")


def load_entry(folder: Path, name: str | None, open_batcher: OpenBatcher) -> Model:
    """The same for a registry's entry, under its id where there is no name, and verified: every
    file against the manifest, and that each weight is a finite number.

    Raises:
        CalcgenError: it was changed or cut off, does not open, or makes no token.
    """
    checkpoints.verify(folder)
    if (folder / ENGINE_FOLDER / checkpoints.MANIFEST).is_file():
        checkpoints.verify(folder / ENGINE_FOLDER)
    check_finite(folder)
    return load(folder, name or folder.name, open_batcher)


def load_first(
    registry: Registry | None, name: str | None, open_batcher: OpenBatcher
) -> Model | None:
    """The registry's live entry of this moment, not of when the endpoint was deployed; None where
    there is no registry, or its live entry cannot be served."""
    if registry is None:
        return None
    try:
        live = registry.live_id()
        return load_entry(registry.root / MODELS / live, name, open_batcher) if live else None
    except CalcgenError as error:
        LOG.warning("the live checkpoint is not taken: %s", error)
        return None


def close(model: Model) -> None:
    """Ends what a model runs and frees its weights."""
    model.batcher.close()
