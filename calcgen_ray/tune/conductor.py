"""What happens next in a search: which proposal runs, which trial ends, when all is over.

It knows nothing of Ray: Tune's ids go in, proposals and yes or no come out, and every change is in
the study before it returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from calcgen_ray.config import Config
from calcgen_ray.train import journal
from calcgen_ray.tune import population, proposals, pruning
from calcgen_ray.tune.study import Study, Trial

Listener = Callable[[Mapping[str, Any]], None]


class Conductor:
    """Leads one search.

    Args:
        listen: called with trial, event (start, result, end, error) and what is known of it.
        clock: seconds.
    """

    def __init__(
        self, config: Config, study: Study, listen: Listener, clock: Callable[[], float]
    ) -> None:
        self.config, self.tune, self.study = config, config.tune, study
        self.listen, self.clock, self.begin = listen, clock, clock()
        self.total = proposals.count(config.tune)
        self._again = list(study.again)
        self._numbers: dict[str, int] = {}

    def is_over(self) -> bool:
        """Whether there is nothing more to propose."""
        return not self._again and (self.study.next_number >= self.total or self._at_limit())

    def _at_limit(self) -> bool:
        tune = self.tune
        late = tune.max_seconds is not None and self.clock() - self.begin >= tune.max_seconds
        return late or (tune.max_tokens is not None and self.study.tokens >= tune.max_tokens)

    def propose(self, ident: str) -> dict[str, Any] | None:
        """The next trial's values, folder and donor's folder; None where none is ready."""
        if self._again:
            trial = self.study.trials[self._again.pop(0)]
            self.study.add(trial)
        else:
            found = self._new(self.study.next_number)
            if found is None:
                return None
            trial = found
            self.study.add(trial)
        self._numbers[ident] = trial.number
        resumed = bool(trial.scores)
        self._tell(trial, "start", resumed=resumed)
        values = dict(trial.values)
        if self.tune.scheduler == "pbt":
            born = population.generation(self.tune, trial.number)
            values["train.epochs"] = (born + 1) * self.tune.interval_epochs
        donor = None if trial.donor is None else str(self.study.home(trial.donor).resolve())
        return {"number": trial.number, "values": values, "donor": donor,
                "folder": str(self.study.home(trial.number).resolve())}  # fmt: skip

    def _new(self, number: int) -> Trial | None:
        tune, seed = self.tune, self.config.run.seed
        if tune.scheduler == "pbt":
            member = population.breed(tune, seed, number, self.study.trials)
            return Trial(number, member.values, donor=member.donor) if member else None
        told = [trial for trial in self.study.trials.values() if math.isfinite(trial.perplexity)]
        return Trial(number, proposals.propose(tune, seed, number, told))

    def scored(self, ident: str, result: Mapping[str, Any]) -> bool:
        """Takes a trial's score; False where it is to end."""
        if "perplexity" not in result:
            return True
        number = self._numbers[ident]
        tokens = int(result.get("tokens") or self._tokens(number))
        perplexity, epochs = float(result["perplexity"]), float(result["epoch"])
        self.study.record(number, epochs, perplexity, tokens)
        trial = self.study.trials[number]
        self._tell(trial, "result", steps=result.get("step"))
        if not math.isfinite(perplexity):
            self.study.close(number, "diverged", f"perplexity {perplexity} at epoch {epochs:g}")
        elif self._at_limit():
            self.study.close(number, "stopped")
        elif not pruning.keep(self.tune, self._scores(), number):
            self.study.close(number, "pruned")
        return self.study.trials[number].state == "running"

    def _scores(self) -> dict[int, list[tuple[float, float]]]:
        return {number: trial.scores for number, trial in self.study.trials.items()}

    def failed(self, ident: str, error: str) -> None:
        """Takes the reason of a failure."""
        self.study.close(self._numbers[ident], "failed", error)

    def ended(self, ident: str, *, failed: bool) -> None:
        """Takes a trial's end."""
        number = self._numbers[ident]
        self._catch_up(number)
        self.study.close(number, "failed" if failed else "finished")
        trial = self.study.trials[number]
        self._tell(trial, "error" if trial.state == "failed" else "end")

    def _catch_up(self, number: int) -> None:
        """Takes scores from the trial's journal that an earlier process did not live to hear."""
        heard = self.study.trials[number].epochs
        for entry in journal.read(self.study.home(number) / journal.JOURNAL):
            scored = entry["event"] == "eval" and "perplexity" in entry
            if scored and entry["step"] and entry["epoch"] > heard:
                tokens = self._tokens(number)
                self.study.record(number, entry["epoch"], entry["perplexity"], tokens)

    def _tokens(self, number: int) -> int:
        entries = journal.read(self.study.home(number) / journal.JOURNAL)
        return sum(entry["tokens"] for entry in entries if entry["event"] == "step")

    def _tell(self, trial: Trial, event: str, **more: Any) -> None:
        self.listen({
            "event": event, "trial": trial.name, "values": trial.values, "epochs": trial.epochs,
            "perplexity": trial.scores[-1][1] if trial.scores else math.nan, "state": trial.state,
            "tokens": trial.tokens, "error": trial.error, "total": self.total, **more,
        })  # fmt: skip
