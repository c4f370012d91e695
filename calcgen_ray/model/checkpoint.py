"""The checkpoint folder: written whole or not at all, verified before it is read.

    step-00000120/
      config.json  model.safetensors  generation_config.json  tokenizer files   (save_pretrained)
      training/optimizer.safetensors  training/state.json       left out of exports
      calcgen.json                    the manifest: sizes and sha256 of all the others

A folder is written beside its place under a temporary name, each file and the folder itself are
fsynced, the manifest comes last, then one rename puts it in place. A reader takes a folder only if
its manifest verifies; one that does not is set aside under `.broken-*`, never loaded. No pickle:
weights and optimizer state are safetensors, all else is JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcgen_ray.errors import CheckpointError

MANIFEST = "calcgen.json"
TRAINING = "training"
PREFIX = "step-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified folder and what its manifest says."""

    path: Path
    step: int
    metrics: Mapping[str, float]
    digest: str


def write_folder(
    target: Path, fill: Callable[[Path], None], *, step: int, metrics: Mapping[str, float]
) -> Checkpoint:
    """Fills a folder through `fill` and puts it at `target` in one rename.

    Raises:
        OSError: the storage refused; nothing is left at `target` and the old content stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".tmp-{uuid.uuid4().hex}"
    draft.mkdir()
    try:
        fill(draft)
        files = {str(p.relative_to(draft)): _entry(p) for p in sorted(_files(draft))}
        body = {"version": 1, "step": step, "metrics": dict(metrics), "files": files}
        (draft / MANIFEST).write_text(json.dumps(body, indent=1) + "\n", "utf-8")
        for path in [*_files(draft), *(p for p in draft.rglob("*") if p.is_dir()), draft]:
            _fsync(path)
        if target.exists():
            set_aside(target)
        os.rename(draft, target)
        _fsync(target.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Checkpoint(target, step, dict(metrics), _digest(files))


def verify(folder: Path) -> Checkpoint:
    """Reads the manifest and compares every file's size and sha256 with it.

    Raises:
        CheckpointError: one line that names the file and what differs.
    """
    try:
        body = json.loads((folder / MANIFEST).read_text("utf-8"))
        files, step, metrics = body["files"], int(body["step"]), body["metrics"]
    except FileNotFoundError:
        raise CheckpointError(f"{folder}: no {MANIFEST}, so no finished checkpoint") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckpointError(f"{folder / MANIFEST}: damaged; use another checkpoint") from None
    for name, entry in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise CheckpointError(f"{path}: missing; use another checkpoint")
        size = path.stat().st_size
        if size != entry["bytes"]:
            raise CheckpointError(f"{path}: cut off: {size:,} of {entry['bytes']:,} bytes")
        if sha256(path) != entry["sha256"]:
            raise CheckpointError(f"{path}: changed since it was written (sha256 differs)")
    return Checkpoint(folder, step, metrics, _digest(files))


def latest(root: Path) -> Checkpoint | None:
    """The newest checkpoint under `root` that verifies; broken ones are set aside."""
    for folder in sorted(root.glob(f"{PREFIX}*"), reverse=True):
        try:
            return verify(folder)
        except CheckpointError:
            set_aside(folder)
    return None


def best(root: Path) -> Checkpoint | None:
    """The checkpoint under `root` with the lowest perplexity, of those that verify."""
    ranked = []
    for folder in root.glob(f"{PREFIX}*"):
        perplexity = peek(folder).get("perplexity")
        if perplexity is not None and perplexity == perplexity:
            ranked.append((perplexity, folder))
    for _, folder in sorted(ranked):
        try:
            return verify(folder)
        except CheckpointError:
            continue
    return None


def peek(folder: Path) -> dict[str, float]:
    """The manifest's metrics without verifying anything; empty when there is no manifest."""
    try:
        metrics = json.loads((folder / MANIFEST).read_text("utf-8"))["metrics"]
        return dict(metrics)
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def prune(root: Path, keep: int) -> None:
    """Deletes all but the newest `keep` checkpoints, the best one and foreign folders."""
    folders = sorted(root.glob(f"{PREFIX}*"), reverse=True)
    winner = best(root)
    for folder in folders[keep:]:
        if winner is None or folder != winner.path:
            shutil.rmtree(folder, ignore_errors=True)


def set_aside(folder: Path) -> None:
    """Renames a folder so that no reader takes it for a checkpoint."""
    os.rename(folder, folder.parent / f".broken-{folder.name}-{uuid.uuid4().hex[:8]}")


def folder_name(step: int) -> str:
    return f"{PREFIX}{step:08d}"


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST]


def _entry(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _digest(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Digest of what is served: the training state may differ between equal weights."""
    kept = {k: v["sha256"] for k, v in files.items() if not k.startswith(TRAINING)}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
