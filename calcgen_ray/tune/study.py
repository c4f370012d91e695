"""The state of a search: its trials and what they scored, in one file that is written atomically.

The file is the search's own, beside Tune's, and all that is needed to go on after a crash. Should
it be lost or cut off, it is made anew from the trials' folders, where each trial's proposal, state
and journal lie.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

from calcgen_ray.errors import ConfigError
from calcgen_ray.train.run import write_whole
from calcgen_ray.tune import scores as heard

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
        since: epochs of that checkpoint; what it scored is the donor's.
    """

    number: int
    values: dict[str, Any]
    state: State = "running"
    scores: list[tuple[float, float]] = field(default_factory=list)
    tokens: int = 0
    error: str = ""
    donor: int | None = None
    since: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.number:04d}"

    @property
    def perplexity(self) -> float:
        """The lowest of its scores, nan where it has none that is finite."""
        return min((p for _, p in self.scores if math.isfinite(p)), default=math.nan)

    @property
    def epochs(self) -> float:
        return self.scores[-1][0] if self.scores else self.since


class Study:
    """The trials of the search in `folder`, those of an earlier process included.

    Trials that were running when that process ended run again, and so do, from the start, those
    whose folder is gone; those that failed get another chance.

    Args:
        settings: what the search depends on, flat.

    Attributes:
        again: numbers of the trials that are to run again.
        seconds: that the search took so far, in all processes.

    Raises:
        ConfigError: the folder holds a search of other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder, self.settings = folder, json.loads(json.dumps(settings))
        folder.mkdir(parents=True, exist_ok=True)
        self.trials: dict[int, Trial] = {}
        self.again: list[int] = []
        self.seconds = 0.0
        found = self._load()
        if found is None:
            found = self._from_folders()
        self.trials = {trial.number: trial for trial in sorted(found, key=lambda one: one.number)}
        for number, trial in self.trials.items():
            if not self.home(number).is_dir():
                trial.scores, trial.tokens, trial.state = [], 0, "running"
        self.reopen("running", "failed")
        self.save()

    def reopen(self, *states: State) -> None:
        """Trials in these states are to run again."""
        for number, trial in self.trials.items():
            if trial.state in states and number not in self.again:
                trial.state, trial.error = "running", ""
                self.again.append(number)
        self.again.sort()

    def home(self, number: int) -> Path:
        """The folder of a trial's run."""
        return self.folder / TRIALS / f"{number:04d}"

    def add(self, trial: Trial) -> None:
        """Takes up a new proposal and puts it into the trial's folder, too."""
        self.trials[trial.number] = trial
        self._note(trial)
        self.save()

    def record(
        self,
        number: int,
        epochs: float,
        perplexity: float,
        tokens: int,
        verdict: State = "running",
        error: str = "",
    ) -> None:
        """Adds a score together with what was decided on it, so that neither is ever alone.

        A score of the same epochs, from before a crash, is replaced.
        """
        trial = self.trials[number]
        trial.scores = [score for score in trial.scores if score[0] < epochs]
        trial.scores.append((epochs, perplexity))
        trial.tokens = tokens
        if not self._ended(trial, verdict, error):
            self.save()

    def close(self, number: int, state: State, error: str = "") -> None:
        """Says how a running trial ended; what is known of one that ended already stays."""
        self._ended(self.trials[number], state, error)

    def _ended(self, trial: Trial, state: State, error: str) -> bool:
        if trial.state != "running" or state == "running":
            return False
        trial.state, trial.error = state, error
        self.save()
        self._note(trial)
        return True

    def _note(self, trial: Trial) -> None:
        home = self.home(trial.number)
        home.mkdir(parents=True, exist_ok=True)
        _write(home / PROPOSAL, {
            "values": trial.values, "donor": trial.donor, "since": trial.since,
            "state": trial.state, "error": trial.error, "settings": _digest(self.settings),
        })  # fmt: skip

    @property
    def tokens(self) -> int:
        """That all trials were trained on."""
        return sum(trial.tokens for trial in self.trials.values())

    @property
    def next_number(self) -> int:
        """The first that no trial has: a proposal that was lost is made again."""
        return next(number for number in count() if number not in self.trials)

    def save(self) -> None:
        trials = [asdict(trial) for trial in self.trials.values()]
        _write(self.folder / STATE, {"version": 1, "settings": self.settings,
                                     "seconds": self.seconds, "trials": trials})  # fmt: skip

    def _load(self) -> list[Trial] | None:
        path = self.folder / STATE
        try:
            body = json.loads(path.read_text("utf-8"))
            found = [_trial(entry) for entry in body["trials"]]
            was, self.seconds = body["settings"], float(body.get("seconds", 0.0))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        for key in sorted({*was, *self.settings}):
            # As text, since the order of a space's keys decides what is drawn.
            if json.dumps(was.get(key)) != json.dumps(self.settings.get(key)):
                raise ConfigError(
                    f"search {self.folder.name!r} was made with {key}={was.get(key)!r}, now it is "
                    f"{self.settings.get(key)!r}; choose another run.name, or delete the folder"
                )
        return found

    def _from_folders(self) -> list[Trial]:
        """Every trial as its folder has it: its own journal says what it scored."""
        found = []
        for path in self.folder.glob(f"{TRIALS}/*/{PROPOSAL}"):
            try:
                body = json.loads(path.read_text("utf-8"))
                trial = Trial(
                    int(path.parent.name), body["values"], body.get("state", "running"),
                    heard.scores(path.parent), heard.tokens(path.parent), body.get("error", ""),
                    body["donor"], body.get("since", 0.0),
                )  # fmt: skip
            except (OSError, ValueError, KeyError, TypeError):
                continue
            self._refuse_other(body.get("settings"), path)
            found.append(trial)
        return found

    def _refuse_other(self, digest: str | None, path: Path) -> None:
        if digest not in (None, _digest(self.settings)):
            raise ConfigError(
                f"search {self.folder.name!r} was made with other settings (digest {digest} in "
                f"{path}); choose another run.name, or delete the folder"
            )


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


def _digest(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]


def _write(path: Path, body: Any) -> None:
    write_whole(path, json.dumps(body, indent=1) + "\n")
