"""The search on Ray Tune: space, scheduler, searcher, and the table in the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from calcgen_ray import cluster, settings
from calcgen_ray.config import Config, TuneConfig
from calcgen_ray.corpus import store
from calcgen_ray.errors import DataError, ResourceError, TuneError
from calcgen_ray.train import run
from calcgen_ray.tune import table
from calcgen_ray.tune.trial import METRIC, MODE, run_trial, trial_folder

Listener = Callable[[Mapping[str, Any]], None]

_DRIVER = {"CPU": 0, "node:__internal_head__": 0.001}
"""A trial's own process only waits for its workers, so it must not take a CPU from them."""


def tune(config: Config, corpus: Path, folder: Path, listen: Listener) -> table.TuneResult:
    """Searches, and reads the results back from the trials' folders.

    Args:
        listen: called with trial, event (start, result, end, error) and the last metrics.

    Raises:
        InputError: a plan that cannot fit, a corpus without validation cells.
        TuneError: no trial came to a perplexity.
    """
    if not store.read_manifest(corpus)["by_split"].get("valid"):
        raise DataError("a search needs validation cells; set corpus.valid_fraction above 0")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / run.CONFIG).write_text(settings.dump(config), "utf-8")
    with run.locked(folder):
        cluster.connect()
        has = cluster.resources()
        device = cluster.fit(config.workers, has)
        payload = {
            "config": config.model_dump(mode="json"), "corpus": str(corpus.resolve()),
            "folder": str(folder.resolve()), "device": device,
        }  # fmt: skip
        grid = _tuner(config, folder, payload, concurrency(config, has), listen).fit()
        result = _collect(config, folder, grid)
    best = settings.replace(config, result.best.values)
    (folder / table.BEST).write_text(settings.dump(best), "utf-8")
    table.write(result)
    return result


def concurrency(config: Config, has: Mapping[str, float]) -> int:
    """Trials at once: as many as the cluster holds, fewer where tune.concurrent says so.

    Raises:
        ResourceError: tune.concurrent asks for more than fit.
    """
    device = cluster.fit(config.workers, dict(has))
    need = cluster.per_worker(config.workers, device)
    fits = min(int(has[kind] // (config.workers.count * each)) for kind, each in need.items())
    wanted = config.tune.concurrent or fits
    if wanted > fits:
        raise ResourceError(
            f"tune.concurrent: got {wanted}, but a trial takes {config.workers.count} x {need} "
            f"and the cluster has {dict(has)}: {fits} fit; lower it, or set 0 for as many as fit"
        )
    return min(wanted, config.tune.trials)


def _tuner(
    config: Config, folder: Path, payload: dict[str, Any], concurrent: int, listen: Listener
) -> Any:
    from ray import tune as ray_tune

    trainable = ray_tune.with_parameters(run_trial, payload=payload)
    wanted = config.tune
    return ray_tune.Tuner(
        ray_tune.with_resources(trainable, _DRIVER),
        param_space={key: _domain(law) for key, law in wanted.space.items()},
        tune_config=ray_tune.TuneConfig(
            metric=METRIC,
            mode=MODE,
            num_samples=wanted.trials,
            max_concurrent_trials=concurrent,
            scheduler=_scheduler(wanted, config.train.epochs),
            search_alg=_searcher(wanted, config.run.seed),
        ),
        run_config=ray_tune.RunConfig(
            name="tune",
            storage_path=str((folder / ".ray").resolve()),
            verbose=0,
            callbacks=[_listener(listen)],
        ),
    )


def _domain(law: Mapping[str, Any]) -> Any:
    from ray import tune as ray_tune

    (name, values), = law.items()  # fmt: skip
    make = {
        "log_uniform": lambda: ray_tune.loguniform(*values),
        "uniform": lambda: ray_tune.uniform(*values),
        "int_uniform": lambda: ray_tune.randint(values[0], values[1] + 1),
        "choice": lambda: ray_tune.choice(list(values)),
    }
    return make[name]()


def _scheduler(wanted: TuneConfig, epochs: int) -> Any:
    """ASHA counted in epochs (arXiv:1810.05934); it stops trials, and never pauses them."""
    from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

    if wanted.scheduler == "none":
        return FIFOScheduler()
    longest = epochs
    law = wanted.space.get("train.epochs")
    if law is not None:
        longest = int(max(next(iter(law.values()))))
    return ASHAScheduler(
        time_attr="epochs",
        max_t=max(longest, wanted.grace_epochs),
        grace_period=wanted.grace_epochs,
        reduction_factor=wanted.reduction_factor,
    )


def _searcher(wanted: TuneConfig, seed: int) -> Any:
    if wanted.searcher == "optuna":
        from ray.tune.search.optuna import OptunaSearch

        return OptunaSearch(seed=seed)
    from ray.tune.search import BasicVariantGenerator

    return BasicVariantGenerator(random_state=seed)


def _listener(listen: Listener) -> Any:
    from ray.tune import Callback

    class Telling(Callback):  # type: ignore[misc]
        """Passes Tune's events on. Tune pickles its callbacks: what listens stays behind."""

        def __init__(self, listen: Listener) -> None:
            self.listen = listen

        def __getstate__(self) -> dict[str, Any]:
            return {"listen": None}

        def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            self.listen({"event": "start", "trial": trial.trial_id, "values": trial.config})

        def on_trial_result(
            self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any
        ) -> None:
            self.listen({"event": "result", "trial": trial.trial_id, **dict(result)})

        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            self.listen({"event": "end", "trial": trial.trial_id})

        def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            self.listen({"event": "error", "trial": trial.trial_id})

    return Telling(listen)


def _collect(config: Config, folder: Path, grid: Any) -> table.TuneResult:
    rows, errors = [], []
    for found in grid:
        home = trial_folder(folder, found.metrics["trial_id"]) if found.metrics else None
        if found.error is not None:
            errors.append(str(found.error).strip().splitlines()[-1])
        if home is None or not (home / run.CONFIG).is_file():
            continue
        finished = run.is_finished(home)
        status = "error" if found.error is not None else "finished" if finished else "pruned"
        rows.append(table.read_row(home, list(config.tune.space), status))
    if not rows or all(math.isnan(row.perplexity) for row in rows):
        raise TuneError(f"no trial came to a perplexity: {errors[0] if errors else 'none ran'}")
    return table.TuneResult(folder, table.ranked(rows))
