"""A checkpoint that is measured: its name, its folder, and the folder of its figures."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import calcgen_ray
from calcgen_ray.config import Config
from calcgen_ray.corpus import calcbench, store
from calcgen_ray.errors import CheckpointError
from calcgen_ray.evaluate import records
from calcgen_ray.evaluate.records import Record
from calcgen_ray.model.checkpoint import sha256
from calcgen_ray.model.loading import (
    EMBEDDED,
    EMBEDDED_RANDOM,
    embedded_folder,
    load_model,
    load_model_tokenizer,
)
from calcgen_ray.registry.locate import find_checkpoint
from calcgen_ray.storage import refuse_bucket

FOLDER = "evaluations"
RECORDS = "records.parquet"
SUMMARY = "summary.json"
PARTS = "parts"
MODELS = ".models"
HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
WEIGHED = ("config.json", "tokenizer.json", "vocab.json", "merges.txt")


@dataclass(frozen=True, slots=True)
class Subject:
    """`home` holds the records and figures, and meanwhile the finished tasks.

    The name of `home` is made from all that the figures depend on: the weights, the benchmark, the
    corpus, the settings. So what was measured once is not measured again.
    """

    name: str
    checkpoint: Path
    home: Path

    def part(self, number: int) -> Path:
        return self.home / PARTS / f"{number:06d}.parquet"

    def summary(self) -> dict[str, Any] | None:
        """The figures, if all has been measured."""
        try:
            found: dict[str, Any] = json.loads((self.home / SUMMARY).read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return found if (self.home / RECORDS).is_file() else None

    def records(self) -> list[Record]:
        return records.read(self.home / RECORDS)

    def finish(self, found: list[Record], summary: dict[str, Any]) -> None:
        """Writes records, then figures, and drops the parts."""
        records.write(self.home / RECORDS, found)
        draft = self.home / f".{SUMMARY}"
        draft.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
        os.replace(draft, self.home / SUMMARY)
        for part in sorted((self.home / PARTS).glob("*.parquet")):
            part.unlink()


def find_subject(target: str, config: Config, corpus: Path) -> Subject:
    """The checkpoint that `target` means: `embedded`, `embedded-random`, a run, a folder, a hub id.

    Raises:
        CheckpointError: none of these.
        ModelError: the hub cannot be reached, or does not know it.
    """
    storage = Path(refuse_bucket(config.run.storage))
    folder = find_folder(target, storage)
    digest = _digest(folder, config, corpus)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", target.strip("/")).strip("-.")[-60:] or "checkpoint"
    return Subject(target, folder, storage / FOLDER / f"{stem}-{digest}")


def find_folder(target: str, storage: Path) -> Path:
    """The checkpoint folder that `target` means, as `find_subject`; before a corpus is built."""
    if target == EMBEDDED:
        return embedded_folder()
    if target == EMBEDDED_RANDOM:
        return _saved(target, storage)
    try:
        return find_checkpoint(target, storage)
    except CheckpointError:
        if not HUB_ID.fullmatch(target) or Path(target).exists():
            raise
    saved = storage / FOLDER / MODELS / target
    return saved if (saved / "config.json").is_file() else _saved(target, storage)


def _saved(name: str, storage: Path) -> Path:
    """A model by name as a checkpoint folder, which is what the engines read."""
    folder = storage / FOLDER / MODELS / name
    model, tokenizer = load_model(name), load_model_tokenizer(name)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def _digest(checkpoint: Path, config: Config, corpus: Path) -> str:
    files = sorted(
        path
        for path in checkpoint.iterdir()
        if path.name in WEIGHED or path.suffix == ".safetensors"
    )
    if not any(path.suffix == ".safetensors" for path in files):
        raise CheckpointError(
            f"{checkpoint}: holds no .safetensors file; other formats are not read"
        )
    parts = [f"{path.name} {sha256(path)}" for path in files]
    settings = config.evaluate.model_dump_json(exclude={"workers"})
    benchmark = calcbench.SHA256.get(config.evaluate.benchmark, "")
    parts += [settings, config.judge.model_dump_json(), str(config.run.seed), benchmark,
              str(store.read_manifest(corpus)["sha256"]), calcgen_ray.__version__]  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
