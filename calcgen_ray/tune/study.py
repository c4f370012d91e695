"""The state of a search: its trials and what they scored, in one file that is written atomically.

The file is the search's own, beside Tune's, and all that is needed to go on after a crash. Should
it be lost or cut off, it is made anew from the trials' folders, where each trial's proposal lies.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from calcgen_ray.errors import ConfigError

STATE, PROPOSAL, TRIALS = "study.json", "trial.json", "trials"
State = Literal["running", "finished", "pruned", "stopped", "diverged", "failed"]
"""pruned: fell behind the others. stopped: the search's limit of time or tokens was reached.
diverged: its perplexity was not finite. failed: its workers were lost too often."""


@dataclass(slots=True)
class Trial:
    """One proposal and what became of it.

    Attributes:
        values: of the searched keys.
        scores: (epochs, perplexity on validation cells) as they came, epochs rising.
        tokens: that it was trained on so far.
        donor: the trial whose checkpoint it goes on from, where there is one.
    """

    number: int
    values: dict[str, Any]
    state: State = "running"
    scores: list[tuple[float, float]] = field(default_factory=list)
    tokens: int = 0
    error: str = ""
    donor: int | None = None

    @property
    def name(self) -> str:
        return f"{self.number:04d}"

    @property
    def perplexity(self) -> float:
        """The lowest of its scores, nan where it has none that is finite."""
        return min((p for _, p in self.scores if math.isfinite(p)), default=math.nan)

    @property
    def epochs(self) -> float:
        return self.scores[-1][0] if self.scores else 0.0


class Study:
    """The trials of the search in `folder`, those of an earlier process included.

    Trials that were running when that process ended run again, and so do finished ones whose
    folder is gone; those that failed get another chance.

    Args:
        settings: what the search depends on, flat.

    Raises:
        ConfigError: the folder holds a search of other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder, self.settings = folder, json.loads(json.dumps(settings))
        folder.mkdir(parents=True, exist_ok=True)
        self.trials: dict[int, Trial] = {}
        self.again: list[int] = []
        found = self._load()
        if found is None:
            found = self._from_folders()
        for trial in sorted(found, key=lambda trial: trial.number):
            self.trials[trial.number] = trial
            if trial.state in ("running", "failed") or not self.home(trial.number).is_dir():
                trial.state, trial.error = "running", ""
                self.again.append(trial.number)
        self.save()

    def home(self, number: int) -> Path:
        """The folder of a trial's run."""
        return self.folder / TRIALS / f"{number:04d}"

    def add(self, trial: Trial) -> None:
        """Takes up a new proposal and puts it into the trial's folder, too."""
        self.trials[trial.number] = trial
        home = self.home(trial.number)
        home.mkdir(parents=True, exist_ok=True)
        _write(home / PROPOSAL, {"values": trial.values, "donor": trial.donor})
        self.save()

    def record(self, number: int, epochs: float, perplexity: float, tokens: int) -> None:
        """Adds a score; one of the same epochs, from before a crash, is replaced."""
        trial = self.trials[number]
        trial.scores = [score for score in trial.scores if score[0] < epochs]
        trial.scores.append((epochs, perplexity))
        trial.tokens = tokens
        self.save()

    def close(self, number: int, state: State, error: str = "") -> None:
        """Says how a running trial ended; what is known of one that ended already stays."""
        trial = self.trials[number]
        if trial.state == "running":
            trial.state, trial.error = state, error
            self.save()

    @property
    def tokens(self) -> int:
        """That all trials were trained on."""
        return sum(trial.tokens for trial in self.trials.values())

    @property
    def next_number(self) -> int:
        return max(self.trials, default=-1) + 1

    def save(self) -> None:
        trials = [asdict(trial) for trial in self.trials.values()]
        _write(self.folder / STATE, {"version": 1, "settings": self.settings, "trials": trials})

    def _load(self) -> list[Trial] | None:
        path = self.folder / STATE
        try:
            body = json.loads(path.read_text("utf-8"))
            found = [_trial(entry) for entry in body["trials"]]
            was = body["settings"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        for key in sorted({*was, *self.settings}):
            if was.get(key) != self.settings.get(key):
                raise ConfigError(
                    f"search {self.folder.name!r} was made with {key}={was.get(key)!r}, now it is "
                    f"{self.settings.get(key)!r}; choose another run.name, or delete the folder"
                )
        return found

    def _from_folders(self) -> list[Trial]:
        """Every trial as running: its own journal and checkpoints say where it goes on."""
        found = []
        for path in self.folder.glob(f"{TRIALS}/*/{PROPOSAL}"):
            try:
                body = json.loads(path.read_text("utf-8"))
                found.append(Trial(int(path.parent.name), body["values"], donor=body["donor"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found


def read(folder: Path) -> list[Trial]:
    """The trials of a search as its file has them; none where there is no whole file."""
    try:
        body = json.loads((folder / STATE).read_text("utf-8"))
        return [_trial(entry) for entry in body["trials"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def ranked(trials: Iterable[Trial]) -> list[Trial]:
    """By perplexity; those without one, and those that diverged, last."""

    def key(trial: Trial) -> tuple[bool, float, int]:
        lost = math.isnan(trial.perplexity) or trial.state == "diverged"
        worth = math.inf if math.isnan(trial.perplexity) else trial.perplexity
        return (lost, worth, trial.number)

    return sorted(trials, key=key)


def _trial(entry: Mapping[str, Any]) -> Trial:
    scores: Sequence[Sequence[float]] = entry["scores"]
    return Trial(**{**entry, "scores": [(epochs, perplexity) for epochs, perplexity in scores]})


def _write(path: Path, body: Any) -> None:
    """Whole or not at all, also when the machine stops."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8") as stream:
        json.dump(body, stream, indent=1)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, path)
