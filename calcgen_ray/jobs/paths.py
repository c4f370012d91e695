"""The local files that a configuration names, and what becomes of each on a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcgen_ray.corpus.folder import document_paths
from calcgen_ray.errors import DataError, ResourceError
from calcgen_ray.jobs.work import Work
from calcgen_ray.storage import is_bucket, refuse_bucket

FOLDERS, MODEL, TARGETS, KEYS = "corpus.folders", "model", "checkpoint", "serve.keys_file"
BUILT_IN = ("embedded", "embedded-random")


@dataclass(frozen=True, slots=True)
class Named:
    """A name in the configuration under `key`; `path` is absolute, its links not followed."""

    key: str
    name: str
    path: Path

    def files(self) -> Iterator[Path]:
        """What a job reads of it: documents of a corpus's folder, all files of a model's.

        Raises:
            DataError: a corpus's folder without documents.
        """
        if self.key == FOLDERS:
            yield from document_paths(self.path)
            return
        for folder, inner, names in os.walk(self.path):
            inner[:] = sorted(n for n in inner if not n.startswith(".") and n != "__pycache__")
            yield from (
                path
                for name in sorted(names)
                if not name.startswith(".") and (path := Path(folder, name)).is_file()
            )


@dataclass(frozen=True, slots=True)
class Placed:
    """A work as the cluster will read it, what of this machine travels with it, and warnings."""

    work: Work
    travel: tuple[Named, ...]
    warnings: tuple[str, ...]


def named(work: Work, here: Path) -> list[Named]:
    """Every local file or folder that the work names and that could be meant by it."""
    config = work.config
    pairs = [(FOLDERS, name) for name in config.corpus.folders]
    pairs += [(MODEL, config.model)] if config.model not in BUILT_IN else []
    pairs += [(TARGETS, name) for name in work.targets if name not in BUILT_IN]
    if work.verb == "run" and config.serve.keys_file:
        pairs.append((KEYS, config.serve.keys_file))
    return [
        Named(key, name, Path(os.path.normpath(here / Path(name).expanduser())))
        for key, name in pairs
    ]


def place(work: Work, here: Path, *, same_machine: bool) -> Placed:
    """Says where each named thing will be found by the job.

    What lies under `here` travels and keeps its relative path. On a cluster of this machine the
    rest, and `run.storage`, are read where they are.

    Raises:
        DataError: a folder of the corpus that is not there, or cannot be there on the cluster.
        ResourceError: a `run.storage` that would go with the job.
        ConfigError: a bucket for another verb than train.
    """
    new: dict[tuple[str, str], str] = {}
    travel: list[Named] = []
    warnings: list[str] = []
    for one in named(work, here):
        if _travels(one, here):
            travel.append(one)
            new[one.key, one.name] = one.path.relative_to(here).as_posix()
        elif one.path.exists() and same_machine:
            new[one.key, one.name] = str(one.path)
        else:
            warnings += _stays(one, here)
    values: dict[str, Any] = {"run.storage": _storage(work, here, same_machine)}
    values |= {key: value for (key, _), value in new.items() if key in (MODEL, KEYS)}
    values[FOLDERS] = [new.get((FOLDERS, name), name) for name in work.config.corpus.folders]
    targets = [new.get((TARGETS, name), name) for name in work.targets]
    return Placed(work.changed(values, targets), tuple(travel), tuple(warnings))


def _travels(one: Named, here: Path) -> bool:
    inside = one.path == here or here in one.path.parents
    return one.key != KEYS and inside and one.path.is_dir()


def _stays(one: Named, here: Path) -> list[str]:
    """A warning where the cluster must have it at the same path."""
    if not one.path.exists():
        if one.key == FOLDERS and not Path(one.name).is_absolute():
            raise DataError(f"{one.key}: folder {one.name!r} does not exist; set its path")
        return [f"{one.key}: {one.name} is not on this machine"] if one.key == FOLDERS else []
    if Path(one.name).is_absolute():
        return [f"{one.key}: {one.name} is outside {here} and does not travel; the cluster must "
                "have it there"]  # fmt: skip
    raise DataError(
        f"{one.key}: {one.name!r} cannot travel (only folders under {here} do); name the absolute "
        "path that the cluster's nodes see"
    )


def _storage(work: Work, here: Path, same_machine: bool) -> str:
    storage = work.config.run.storage
    if work.verb != "train":
        refuse_bucket(storage)
    if Path(storage).is_absolute() or is_bucket(storage):
        return storage
    if same_machine:
        return os.path.normpath(here / Path(storage).expanduser())
    raise ResourceError(
        f"run.storage: {storage!r} would lie in the job's own folder on the head and go with it; "
        "name a folder that all nodes see, as run.storage=/mnt/runs, or s3://bucket/runs"
    )
