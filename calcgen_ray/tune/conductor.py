"""What happens next in a search: which proposal runs, which trial ends, when all is over.

It knows nothing of Ray: Tune's ids go in, proposals and yes or no come out, and every change is in
the study before it returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from calcgen_ray.config import Config
from calcgen_ray.tune import halving, population, proposals, pruning
from calcgen_ray.tune import scores as heard
from calcgen_ray.tune.study import State, Study, Trial

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
        self.listen, self.clock, self.begin = listen, clock, clock() - study.seconds
        self.total = halving.count(config.tune)
        self._limited = False
        if not self._at_limit():
            study.reopen("stopped")  # by a limit that was lower
        self._again = list(study.again)
        self._numbers: dict[str, int] = {}
        self._reasons: dict[str, str] = {}

    def is_over(self) -> bool:
        """Whether there is nothing more to propose."""
        return not self._again and (self.study.next_number >= self.total or self._at_limit())

    def is_cut_short(self) -> bool:
        """Whether proposals or running trials are left, as after Ctrl-C."""
        running = any(trial.state == "running" for trial in self.study.trials.values())
        return running or not self.is_over()

    def _at_limit(self) -> bool:
        tune, study = self.tune, self.study
        study.seconds = self.clock() - self.begin
        late = tune.max_seconds is not None and study.seconds >= tune.max_seconds
        spent = tune.max_tokens is not None and study.tokens >= tune.max_tokens
        self._limited = self._limited or late or spent
        return self._limited

    def propose(self, ident: str) -> dict[str, Any] | None:
        """The next trial's values, folder and donor's folder; None where none is ready."""
        trial = self._next_again() if self._again else self._new(self.study.next_number)
        if trial is None:
            return None
        self.study.add(trial)
        self._numbers[ident] = trial.number
        self._tell(trial, "start", resumed=bool(trial.scores))
        donor = None if trial.donor is None else str(self.study.home(trial.donor).resolve())
        return {"number": trial.number, "values": self._values(trial), "donor": donor,
                "folder": str(self.study.home(trial.number).resolve())}  # fmt: skip

    def _next_again(self) -> Trial | None:
        """The first that does not wait for a donor that runs again, too."""
        for number in self._again:
            donor = self.study.trials[number].donor
            if donor not in self.study.trials or self.study.trials[donor].state != "running":
                self._again.remove(number)
                return self.study.trials[number]
        return None

    def _new(self, number: int) -> Trial | None:
        tune, seed, trials = self.tune, self.config.run.seed, self.study.trials
        if tune.scheduler == "pbt":
            member = population.breed(tune, seed, number, trials)
            if member is None:
                return None
            since = 0.0 if member.donor is None else trials[member.donor].epochs
            return Trial(number, member.values, donor=member.donor, since=since)
        if halving.applies(tune):
            values = halving.climb(tune, seed, number, trials)
            return None if values is None else Trial(number, values)
        told = [trials[n] for n in sorted(trials) if math.isfinite(trials[n].perplexity)]
        return Trial(number, proposals.propose(tune, seed, number, told))

    def _values(self, trial: Trial) -> dict[str, Any]:
        """What it is trained with; a member of pbt to the end of its generation."""
        if self.tune.scheduler != "pbt":
            return dict(trial.values)
        born = population.generation(self.tune, trial.number)
        return {**trial.values, "train.epochs": (born + 1) * self.tune.interval_epochs}

    def scored(self, ident: str, result: Mapping[str, Any]) -> bool:
        """Takes a trial's score; False where it is to end.

        What is known is not judged again: a trial that goes on tells its last score once more, and
        one with a donor tells the donor's. `error` in place of a score is the reason of a failure.
        """
        number = self._numbers[ident]
        trial = self.study.trials[number]
        if "error" in result:
            self.study.close(number, "failed", str(result["error"]))
        if "perplexity" in result and float(result["epoch"]) > trial.epochs:
            for epoch, perplexity in heard.scores(self.study.home(number), after=trial.epochs):
                if epoch < result["epoch"]:  # lost with the trial's own process
                    self._take(trial, {"epoch": epoch, "perplexity": perplexity})
            self._take(trial, result)
        return trial.state == "running"

    def _take(self, trial: Trial, result: Mapping[str, Any]) -> None:
        if trial.state != "running":
            return
        home = self.study.home(trial.number)
        trial.tokens = int(result.get("tokens") or heard.tokens(home))
        epochs, perplexity = float(result["epoch"]), float(result["perplexity"])
        state, error = self._verdict(trial, result)
        self.study.record(trial.number, epochs, perplexity, trial.tokens, state, error)
        self._tell(trial, "result")

    def _verdict(self, trial: Trial, result: Mapping[str, Any]) -> tuple[State, str]:
        epochs, perplexity = float(result["epoch"]), float(result["perplexity"])
        if not math.isfinite(perplexity):
            return _diverged(epochs, perplexity)
        if self._is_last(trial, result):
            return "running", ""
        if self._at_limit():
            return "stopped", ""
        if halving.applies(self.tune):  # rungs are whole trainings
            return "running", ""
        scores = self._scores()
        scores[trial.number] = [*trial.scores, (epochs, perplexity)]
        return ("running" if pruning.keep(self.tune, scores, trial.number) else "pruned"), ""

    def _is_last(self, trial: Trial, result: Mapping[str, Any]) -> bool:
        """Whether it is through: nothing is saved by ending it, and it has finished."""
        values, train = self._values(trial), self.config.train
        steps = values.get("train.steps", train.steps)
        if steps is not None:
            return int(result.get("step") or 0) >= int(steps)
        return float(result["epoch"]) >= int(values.get("train.epochs", train.epochs))

    def _scores(self) -> dict[int, list[tuple[float, float]]]:
        return {number: trial.scores for number, trial in self.study.trials.items()}

    def failed(self, ident: str, error: str) -> None:
        """Takes the reason of a failure, after which the trial may go on or end."""
        self._reasons[ident] = error

    def ended(self, ident: str, *, failed: bool) -> None:
        """Takes a trial's end."""
        number = self._numbers[ident]
        self._catch_up(number)
        if failed:
            self.study.close(number, "failed", self._reasons.get(ident, ""))
        self.study.close(number, "finished")
        trial = self.study.trials[number]
        self._tell(trial, "error" if trial.state == "failed" else "end")

    def _catch_up(self, number: int) -> None:
        """Takes scores from the trial's journal that an earlier process did not live to hear."""
        home = self.study.home(number)
        for epochs, perplexity in heard.scores(home, after=self.study.trials[number].epochs):
            lost = not math.isfinite(perplexity)
            state, error = _diverged(epochs, perplexity) if lost else ("running", "")
            self.study.record(number, epochs, perplexity, heard.tokens(home), state, error)

    def _tell(self, trial: Trial, event: str, **more: Any) -> None:
        self.listen({
            "event": event, "trial": trial.name, "values": trial.values, "epochs": trial.epochs,
            "perplexity": trial.scores[-1][1] if trial.scores else math.nan, "state": trial.state,
            "tokens": trial.tokens, "error": trial.error, "total": self.total,
            "over": sum(one.state != "running" for one in self.study.trials.values()), **more,
        })  # fmt: skip


def _diverged(epochs: float, perplexity: float) -> tuple[State, str]:
    return "diverged", f"perplexity {perplexity} at epoch {epochs:g}"
