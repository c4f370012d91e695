"""The checkpoints that a run keeps, the newest few and the best, in its folder or bucket."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from calcgen_ray.errors import TrainingError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.storage import Mirror, retried
from calcgen_ray.train import journal

CHECKPOINTS = "checkpoints"


class Kept:
    """The checkpoints of the run in `folder`, which with a `mirror` is a copy of a bucket's."""

    def __init__(self, folder: Path, mirror: Mirror | None = None) -> None:
        self.folder, self.root, self.mirror = folder, folder / CHECKPOINTS, mirror

    def newest(self) -> checkpoints.Checkpoint | None:
        """The newest one that verifies; from a bucket it is brought here, with the journal."""
        if self.mirror is None:
            return checkpoints.latest(self.root)
        (self.folder / journal.JOURNAL).unlink(missing_ok=True)  # the bucket says what there is
        shutil.rmtree(self.root, ignore_errors=True)
        self.mirror.pull(self.folder / journal.JOURNAL)
        for name in reversed(self.mirror.names(self.root)):
            self.mirror.pull(self.root / name)
            found = checkpoints.latest(self.root)
            if found is not None:
                return found
        return None

    def here(self, name: str) -> Path:
        """The folder of a checkpoint on this machine."""
        if self.mirror is not None and not (self.root / name / checkpoints.MANIFEST).is_file():
            self.mirror.pull(self.root / name)
        return self.root / name

    def write(
        self,
        fill: Callable[[Path], None],
        step: int,
        metrics: Mapping[str, float],
        keep: int,
        alone: bool = True,
    ) -> str:
        """Writes one, lets go of what is too many, and returns its name.

        `alone`: no other worker takes part in `fill`, so that it may be begun anew.

        Raises:
            TrainingError: the storage refuses it for good; the ones before are whole.
        """
        target = self.root / checkpoints.folder_name(step)

        def write() -> checkpoints.Checkpoint:
            with _plain_errors():
                return checkpoints.write_folder(target, fill, step=step, metrics=metrics)

        try:
            retried(write) if alone else write()
            if self.mirror is not None:
                self.mirror.push(target)
        except OSError as error:
            raise TrainingError(
                f"{target}: could not be saved: {error.strerror or error}; the checkpoints before "
                "it are whole: mend the storage, and the same command goes on from the newest"
            ) from None
        before = set(self.root.iterdir())
        checkpoints.prune(self.root, keep)
        if self.mirror is not None:
            for folder in before - set(self.root.iterdir()):  # not those that were never here
                self.mirror.delete(folder)
        return target.name

    def tell(self) -> None:
        """Puts the journal where the driver, and who goes on elsewhere, will find it."""
        if self.mirror is not None:
            self.mirror.push(self.folder / journal.JOURNAL)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Makes errors of input and output of what is written in Rust the system's own.

    Those of safetensors are its SafetensorError, those of tokenizers a plain Exception.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from None
