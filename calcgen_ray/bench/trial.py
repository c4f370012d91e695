"""What a search adds to a training: the wait for its first step, and the time of a trial."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from calcgen_ray import settings
from calcgen_ray.config import Config
from calcgen_ray.corpus.build import build
from calcgen_ray.errors import RunError
from calcgen_ray.train import journal

NAME = "bench-trial"


def bench_trial(config: Config, rounds: int = 3) -> dict[str, Any]:
    """Runs a search of one trial and the same training alone, each by its command, in turn.

    Returns medians in seconds:
        first_step_s: from the command to the end of the first trial's first optimizer step.
        trial_overhead_s: the search's whole time, tables and plots included, less the training's.
        search_s, training_s, steps.

    Raises:
        RunError: a command failed.
    """
    one = settings.replace(
        config, {"tune.space": {"optim.lr": {"choice": [config.optim.lr]}}, "tune.trials": 1,
                 "tune.scheduler": "none", "tune.searcher": "random", "workers.count": 1},
    )  # fmt: skip
    build(one, lambda *_: None)
    found = [_round(one) for _ in range(rounds)]
    first, search, training = (sorted(each)[rounds // 2] for each in zip(*found, strict=True))
    steps = _steps(Path(one.run.storage) / f"{NAME}-train")
    return {
        "first_step_s": round(first, 2),
        "trial_overhead_s": round(search - training, 2),
        "search_s": round(search, 2),
        "training_s": round(training, 2),
        "steps": len(steps),
    }


def _round(config: Config) -> tuple[float, float, float]:
    begin = time.time()
    search = _seconds(config, "tune")
    trial = Path(config.run.storage) / f"{NAME}-tune" / "trials" / "0000"
    first = _steps(trial)[0]["time"] - begin
    return first, search, _seconds(config, "train")


def _seconds(config: Config, verb: str) -> float:
    """Of the command, in a folder that is new."""
    name = f"{NAME}-{verb}"
    folder = Path(config.run.storage) / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder.with_suffix(".yaml")
    path.write_text(settings.dump(settings.replace(config, {"run.name": name})), "utf-8")
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "calcgen_ray", verb, str(path)], capture_output=True, text=True
    )
    if done.returncode:
        raise RunError(f"calcgen {verb} {path}: {done.stderr.strip().splitlines()[-1]}")
    return time.perf_counter() - begin


def _steps(folder: Path) -> list[dict[str, Any]]:
    entries = journal.read(folder / journal.JOURNAL)
    return [entry for entry in entries if entry["event"] == "step"]
