"""The search on Ray Tune: the study proposes and judges, Tune runs the trials.

Tune's own state is never read back: a search that was interrupted goes on from its study.
"""

from __future__ import annotations

import math
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calcgen_ray import cluster, settings
from calcgen_ray.config import Config
from calcgen_ray.corpus import store
from calcgen_ray.errors import ConfigError, DataError, ResourceError, TuneError
from calcgen_ray.train import orphans, run
from calcgen_ray.tune import table
from calcgen_ray.tune.conductor import Conductor
from calcgen_ray.tune.study import Study, ranked
from calcgen_ray.tune.trackers import telling
from calcgen_ray.tune.trial import run_trial

Listener = Callable[[Mapping[str, Any]], None]
TUNE_FOLDER = ".ray"
LAST_SECONDS = 10.0
"""How long the end of a search waits for the last trials' processes to be gone."""

_DRIVER = {"CPU": 0, "node:__internal_head__": 0.001}
"""A trial's own process only waits for its workers, so it must not take a CPU from them."""


def tune(
    config: Config,
    corpus: Path,
    folder: Path,
    listen: Listener,
    trial: Callable[..., None] = run_trial,
) -> table.TuneResult:
    """Searches, goes on where an earlier process was ended, and writes tables and the best.

    Args:
        listen: called with trial, event (start, result, end, error) and what is known of it.
        trial: what Tune runs for each proposal.

    Raises:
        InputError: a plan that cannot fit, a corpus without validation cells, other settings.
        TuneError: no trial came to a perplexity.
        KeyboardInterrupt: it was interrupted; nothing is concluded from what there is.
    """
    if not store.read_manifest(corpus)["by_split"].get("valid"):
        raise DataError("a search needs validation cells; set corpus.valid_fraction above 0")
    folder.mkdir(parents=True, exist_ok=True)
    with run.locked(folder):
        concurrent = preflight(config)
        cluster.try_storage(str(folder.resolve()))
        study = Study(folder, table.dependencies(config))
        run.write_whole(folder / run.CONFIG, settings.dump(config))
        payload = {
            "config": config.model_dump(mode="json"), "corpus": str(corpus.resolve()),
            "device": cluster.fit(config.workers, cluster.nodes()),
        }  # fmt: skip
        with telling(config, folder, listen) as told:
            conductor = Conductor(config, study, told, time.monotonic)
            if not conductor.is_over():
                with orphans.given_back(LAST_SECONDS):
                    _run(conductor, trial, payload, folder, concurrent)
                if conductor.is_cut_short():  # Tune takes Ctrl-C for an end like any other
                    raise KeyboardInterrupt
        return _conclude(config, study)


def _run(
    conductor: Conductor,
    trial: Callable[..., None],
    payload: dict[str, Any],
    folder: Path,
    concurrent: int,
) -> None:
    from ray import tune as ray_tune

    shutil.rmtree(folder / TUNE_FOLDER, ignore_errors=True)
    trainable = ray_tune.with_parameters(trial, payload=payload)
    tuner = ray_tune.Tuner(
        ray_tune.with_resources(trainable, _DRIVER),
        tune_config=ray_tune.TuneConfig(
            num_samples=-1,
            max_concurrent_trials=concurrent,
            scheduler=_scheduler(conductor),
            search_alg=_searcher(conductor),
        ),
        run_config=ray_tune.RunConfig(
            name="tune",
            storage_path=str((folder / TUNE_FOLDER).resolve()),
            verbose=0,
            failure_config=ray_tune.FailureConfig(conductor.config.workers.max_failures),
        ),
    )
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        tuner.fit()
    finally:
        if signal.getsignal(signal.SIGINT) is not interrupt:  # Tune leaves its own behind
            signal.signal(signal.SIGINT, interrupt)


def preflight(config: Config) -> int:
    """Joins the cluster and returns how many trials it holds at once.

    Raises:
        ConfigError: as `check`.
        ResourceError: the arithmetic of what a trial needs and what there is.
    """
    check(config)
    cluster.connect(dashboard=False)
    return concurrency(config, cluster.nodes())


def check(config: Config) -> None:
    """Steps override epochs, so a search over epochs beside them would compare equals.

    Raises:
        ConfigError: the keys and what to do.
    """
    steps, space = config.train.steps, config.tune.space
    if "train.epochs" in space and (steps is not None or "train.steps" in space):
        given = "it is searched, too" if "train.steps" in space else f"it is {steps}"
        raise ConfigError(
            f"tune.space.train.epochs: train.steps overrides it, and {given}; search one of the "
            "two, with the other null"
        )


def concurrency(config: Config, nodes: Sequence[Mapping[str, float]]) -> int:
    """Trials at once: as many as the nodes hold, fewer where tune.concurrent says so.

    Raises:
        ResourceError: tune.concurrent asks for more than fit.
    """
    need = cluster.per_worker(config.workers, cluster.fit(config.workers, nodes))
    fits = cluster.slots(need, nodes) // config.workers.count
    wanted = config.tune.concurrent or fits
    if wanted > fits:
        has = {kind: sum(node[kind] for node in nodes) for kind in need}
        raise ResourceError(
            f"tune.concurrent: got {wanted}, but a trial takes {config.workers.count} x {need} "
            f"and the cluster has {has}: {fits} fit; lower it, or set 0 for as many as fit"
        )
    return min(wanted, table.count(config))


# Tune pickles its searcher and its scheduler and we never read them back. Ours hold the conductor,
# and with it whatever listens (a terminal, a tracker), so they pickle as what they derive from.


def _searcher(conductor: Conductor) -> Any:
    from ray.tune.search import Searcher

    class Proposing(Searcher):  # type: ignore[misc]
        """Passes the conductor's proposals on."""

        def __reduce__(self) -> Any:
            return Searcher, ()

        def suggest(self, trial_id: str) -> Any:
            if conductor.is_over():
                return Searcher.FINISHED
            return conductor.propose(trial_id)

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            conductor.ended(trial_id, failed=error)

        def save(self, checkpoint_path: str) -> None: ...

        def restore(self, checkpoint_path: str) -> None: ...

        def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None: ...

    # No metric is named: a trial that had ended before a crash has nothing more to report.
    return Proposing()


def _scheduler(conductor: Conductor) -> Any:
    from ray.tune.schedulers import FIFOScheduler

    class Judging(FIFOScheduler):  # type: ignore[misc]
        """Ends the trials that the conductor gives up."""

        def __reduce__(self) -> Any:
            return FIFOScheduler, ()

        def on_trial_result(self, controller: Any, trial: Any, result: Any) -> str:
            goes_on = conductor.scored(trial.trial_id, result)
            return str(self.CONTINUE if goes_on else self.STOP)

        def on_trial_error(self, controller: Any, trial: Any) -> None:
            conductor.failed(trial.trial_id, _reason(trial))

    return Judging()


def _reason(trial: Any) -> str:
    """Of its last failure: what a traceback ends with, or how the report of a lost process begins.

    Tune's file has a head, `Failure # ...`, before each.
    """
    path = getattr(trial, "error_file", None)
    try:
        text = Path(path).read_text("utf-8") if path else ""
    except OSError:
        text = ""
    lines = text.rpartition("Failure # ")[2].strip().splitlines()[1:]
    if not lines:
        return "its processes were lost"
    return lines[-1 if "ray::" in lines[0] else 0].strip()


def _conclude(config: Config, study: Study) -> table.TuneResult:
    rows = [table.row(study, trial) for trial in ranked(study.trials.values())]
    result = table.TuneResult(study.folder, rows)
    table.write(result)
    if not rows or math.isnan(rows[0].perplexity):
        errors = [row.error for row in rows if row.error]
        raise TuneError(f"no trial came to a perplexity: {errors[0] if errors else 'none ran'}")
    best = settings.replace(config, table.settings_of(config, result.best))
    run.write_whole(study.folder / table.BEST, settings.dump(best))
    return result
