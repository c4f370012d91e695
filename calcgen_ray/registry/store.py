"""The registry: verified copies of checkpoints, and which of them is live.

    <root>/models/<name>-<digest8>/     config.json, weights, tokenizer, engine-int8/,
                                        origin.json, calcgen.json (the manifest)
    <root>/promoted.json                the live entry's id, and the history, newest last

An entry is written whole or not at all, then one rename of promoted.json makes it live: a crash
between the two leaves the old one live.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.model import checkpoint as checkpoints

MODELS = "models"
PROMOTED = "promoted.json"
ORIGIN = "origin.json"
ENGINE_FOLDER = "engine-int8"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A checkpoint in the registry. `digest` is of the checkpoint it was copied from."""

    id: str
    path: Path
    digest: str
    metrics: Mapping[str, float]
    promoted_at: str  # ISO 8601, UTC; empty if it was never live


class Registry:
    """The registry in the folder `root`, which need not be there yet."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def promote(
        self, checkpoint_folder: Path, name: str, convert: Callable[[Path, Path], None]
    ) -> Entry:
        """Copies a checkpoint into the registry and makes it live.

        The same checkpoint under the same name is copied once, however often it is promoted.

        Args:
            convert: writes the engine's weights: (checkpoint, new folder).

        Raises:
            CheckpointError: the folder does not verify, or a weight is not a finite number.
            InputError: a name that cannot be a folder's.
        """
        if not _NAME.fullmatch(name):
            raise InputError(f"name: got {name!r}; allowed: letters, digits, . _ - (at most 80)")
        source = checkpoints.verify(checkpoint_folder)
        digest = self.digest_of(checkpoint_folder) or source.digest
        entry_id = f"{name}-{digest[:8]}"
        if not self._holds(entry_id):
            check_finite(checkpoint_folder)
            self._copy(source, entry_id, digest, convert)
        self._make_live(entry_id)
        return self._entry(entry_id)

    def live(self) -> Entry:
        """The promoted entry, verified.

        Raises:
            InputError: none was promoted yet.
            CheckpointError: it was changed or cut off since.
        """
        entry_id = self._state()["live"]
        if not entry_id:
            raise InputError(f"{self.root}: nothing is promoted; run `calcgen promote RUN`")
        checkpoints.verify(self.root / MODELS / entry_id)
        return self._entry(entry_id)

    def live_id(self) -> str:
        """The promoted entry's id without verifying it; empty if there is none."""
        return str(self._state()["live"])

    def changed_at(self) -> int:
        """When what is live was last set or written, in nanoseconds; 0 if it never was."""
        entry = self.root / MODELS / self.live_id()
        paths = (self.root / PROMOTED, entry / checkpoints.MANIFEST)
        return max((path.stat().st_mtime_ns for path in paths if path.exists()), default=0)

    def roll_back(self) -> Entry:
        """Makes live what was live before the present entry, and returns it, verified.

        Raises:
            InputError: there was none before.
            CheckpointError: it was changed or cut off since.
        """
        state = self._state()
        before = [line["id"] for line in state["history"] if line["id"] != state["live"]]
        before = [entry for entry in before if (self.root / MODELS / entry).is_dir()]
        if not before:
            raise InputError(f"{self.root}: nothing was live before {state['live'] or 'anything'}")
        checkpoints.verify(self.root / MODELS / before[-1])
        self._make_live(before[-1])
        return self._entry(before[-1])

    def entries(self) -> list[Entry]:
        """All entries, the last promoted one first."""
        ids = [path.parent.name for path in self.root.glob(f"{MODELS}/[!.]*/{ORIGIN}")]
        return sorted(map(self._entry, ids), key=lambda e: (e.promoted_at, e.id), reverse=True)

    @staticmethod
    def digest_of(folder: Path) -> str:
        """Digest of the checkpoint that an entry was copied from; empty for any other folder."""
        return str(_origin(folder).get("digest", ""))

    def _holds(self, entry_id: str) -> bool:
        try:
            checkpoints.verify(self.root / MODELS / entry_id)
        except CheckpointError:
            return False
        return True

    def _copy(
        self,
        source: checkpoints.Checkpoint,
        entry_id: str,
        digest: str,
        convert: Callable[[Path, Path], None],
    ) -> None:
        def fill(draft: Path) -> None:
            _copy_files(source.path, draft)
            convert(draft, draft / ENGINE_FOLDER)
            origin = {"digest": digest, "source": str(source.path.resolve())}
            (draft / ORIGIN).write_text(json.dumps(origin, indent=1) + "\n", "utf-8")

        target = self.root / MODELS / entry_id
        checkpoints.write_folder(target, fill, step=source.step, metrics=source.metrics)

    def _make_live(self, entry_id: str) -> None:
        state = self._state()
        if state["live"] == entry_id:
            return
        line = {"id": entry_id, "promoted_at": datetime.now(UTC).isoformat(timespec="microseconds")}
        body = {"version": 1, "live": entry_id, "history": [*state["history"], line]}
        draft = self.root / f".{PROMOTED}-{uuid.uuid4().hex}"
        try:
            with draft.open("w", encoding="utf-8") as stream:
                stream.write(json.dumps(body, indent=1) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, self.root / PROMOTED)
        finally:
            draft.unlink(missing_ok=True)

    def _state(self) -> dict[str, Any]:
        path = self.root / PROMOTED
        try:
            body = json.loads(path.read_text("utf-8"))
            lines = [{key: str(h[key]) for key in ("id", "promoted_at")} for h in body["history"]]
            return {"live": str(body["live"]), "history": lines}
        except FileNotFoundError:
            return {"live": "", "history": []}
        except (ValueError, KeyError, TypeError):
            raise CheckpointError(
                f"{path}: damaged; delete it and run `calcgen promote RUN`"
            ) from None

    def _entry(self, entry_id: str) -> Entry:
        path = self.root / MODELS / entry_id
        times = [h["promoted_at"] for h in self._state()["history"] if h["id"] == entry_id]
        last = times[-1] if times else ""
        return Entry(entry_id, path, self.digest_of(path), checkpoints.peek(path), last)


def check_finite(folder: Path) -> None:
    """Reads every weight once.

    Raises:
        CheckpointError: the first tensor that holds nan or an infinity.
    """
    import torch
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(str(path), framework="pt") as weights:
            for name in sorted(weights.keys()):
                if not torch.isfinite(weights.get_tensor(name)).all():
                    raise CheckpointError(
                        f"{path}: {name} holds nan or infinity; promote an earlier checkpoint"
                    )


def _copy_files(source: Path, draft: Path) -> None:
    """What the manifest names, but the training state and another copy's engine."""
    files = json.loads((source / checkpoints.MANIFEST).read_text("utf-8"))["files"]
    for name, told in files.items():
        if Path(name).parts[0] in (checkpoints.TRAINING, ENGINE_FOLDER) or name == ORIGIN:
            continue
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)
        if checkpoints.sha256(target) != told["sha256"]:
            raise CheckpointError(f"{source / name}: changed while it was copied; promote it again")


def _origin(folder: Path) -> dict[str, Any]:
    try:
        body = json.loads((folder / ORIGIN).read_text("utf-8"))
        return body if isinstance(body, dict) else {}
    except (OSError, ValueError):
        return {}
