"""The main job: corpus, training, search, promotion, endpoint, one completion, a summary."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcgen_ray import cluster
from calcgen_ray.config import Config
from calcgen_ray.corpus import store
from calcgen_ray.corpus.build import build
from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.problem import as_prompt
from calcgen_ray.registry.store import Entry, Registry
from calcgen_ray.report.plots import plot_run
from calcgen_ray.report.search import plot_search
from calcgen_ray.report.versions import versions
from calcgen_ray.serving import client
from calcgen_ray.serving import driver as endpoint
from calcgen_ray.serving.access import read_keys
from calcgen_ray.serving.args import ServeArgs
from calcgen_ray.storage import refuse_bucket
from calcgen_ray.train import driver as training
from calcgen_ray.train.run import TrainResult
from calcgen_ray.tune import driver as search
from calcgen_ray.tune.table import TuneResult, count

SUMMARY = "summary.json"
STATEMENT = "Differentiate sin(x**2)*exp(x) with respect to x."
"""Its expression is kept from every training corpus (corpus/families/reserved.py)."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears of progress: the corpus's stages, training's journal, the search's events."""

    stage: Callable[[str, int, int], None]
    train: Callable[[dict[str, Any]], None]
    tune: Callable[[Mapping[str, Any]], None]
    say: Callable[[str], None]


def run(config: Config, listeners: Listeners) -> dict[str, Any]:
    """Does the whole job, leaves the endpoint up, writes and returns the summary.

    Raises:
        CalcgenError: whatever a stage raises.
    """
    folder = run_folder(config)
    search.check(search_config(config))
    listeners.say("corpus: reading, making and running cells")
    corpus = build(config, listeners.stage)
    cluster.connect()
    listeners.say(f"training: {config.workers.count} Ray Train workers")
    trained = training.train(config, corpus, folder, listeners.train)
    plot_run(folder)
    listeners.say(f"search: {count(config)} Ray Tune trials ranked by perplexity")
    found = search.tune(search_config(config), corpus, folder / "tune", listeners.tune)
    plot_search(search_config(config), folder / "tune")
    if found.failures:
        listeners.say(found.failures)
    entry = promote(config, winner(trained, found))
    listeners.say(f"serving {entry.id} with Ray Serve")
    summary = {
        "run": config.run_name,
        "corpus": describe_corpus(corpus),
        "train": describe_training(trained),
        "tune": describe_search(found),
        "serve": serve_once(config, entry),
        "versions": versions(),
    }
    write_summary(folder, summary)
    return summary


def run_folder(config: Config) -> Path:
    return Path(refuse_bucket(config.run.storage)) / config.run_name


def registry(config: Config) -> Registry:
    return Registry(Path(refuse_bucket(config.run.storage)) / "registry")


def search_config(config: Config) -> Config:
    """The search's settings: a worker a trial, so that as many as there are CPUs run at once."""
    from calcgen_ray import settings

    return settings.replace(config, {"workers.count": 1, "run.name": f"{config.run_name}-tune"})


def winner(trained: TrainResult, found: TuneResult) -> Path:
    """The checkpoint with the lowest perplexity of training and search."""
    mine = trained.perplexity_final
    better = mine is None or found.best.perplexity < mine
    return Path(found.best.checkpoint) if better else trained.checkpoint


def promote(config: Config, checkpoint: Path) -> Entry:
    """Copies a verified checkpoint into the registry and converts it for the engine."""
    return registry(config).promote(checkpoint, config.run_name, convert=to_ctranslate2)


def serve_args(config: Config, entry: Entry) -> ServeArgs:
    """What the endpoint is built from."""
    serve = config.serve
    return ServeArgs(
        checkpoint=None,
        registry=str(registry(config).root.resolve()),
        max_replicas=serve.max_replicas,
        keys_file=serve.keys_file,
        hosts=serve.hosts,
        compute_type=serve.compute_type,
        threads=max(1, int(serve.cpus)),
        replicas=serve.replicas,
        cpus=serve.cpus,
        gpus=1.0 if serve.device == "gpu" else 0.0,
        max_queued_requests=serve.max_queued_requests,
        run=serve.run,
        isolation=serve.isolation,
        run_seconds=config.judge.seconds,
        run_memory_mb=config.judge.memory_mb,
    )


def first_key(config: Config) -> str | None:
    """A key that opens the endpoint of this configuration, None where it needs none."""
    path = config.serve.keys_file
    return read_keys(Path(path).expanduser())[0].decode() if path else None


def serve_once(config: Config, entry: Entry) -> dict[str, Any]:
    """Brings the endpoint up under the entry's id and asks it for one greedy completion.

    `latency_s` is in seconds.
    """
    url = endpoint.start(serve_args(config, entry), config.serve.host, config.serve.port)
    prompt = as_prompt(STATEMENT)
    begin = time.perf_counter()
    [completion] = client.complete(
        url, prompt, max_tokens=config.sampling.max_tokens, temperature=0.0, key=first_key(config)
    )
    latency = time.perf_counter() - begin
    return {"url": url, "model": entry.id, "prompt": prompt, "completion": completion.text,
            "latency_s": round(latency, 4)}  # fmt: skip


def describe_corpus(corpus: Path) -> dict[str, Any]:
    manifest = store.read_manifest(corpus)
    keys = ("cells", "by_source", "by_split", "tokens", "mean_cell_tokens", "diversity")
    return {"folder": str(corpus), **{key: manifest[key] for key in keys}}


def describe_training(trained: TrainResult) -> dict[str, Any]:
    return {
        "loss_initial": trained.loss_initial,
        "loss_final": trained.loss_final,
        "perplexity_initial": trained.perplexity_initial,
        "perplexity_final": trained.perplexity_final,
        "workers": trained.workers,
        "device": trained.device,
        "precision": trained.precision,
        "steps": trained.steps,
        "useful_tokens_per_s": round(trained.useful_tokens_per_s, 1),
        "pad_fraction": round(trained.pad_fraction, 4),
        "seconds": round(trained.seconds, 2),
        "checkpoint": str(trained.checkpoint),
    }


def describe_search(found: TuneResult) -> dict[str, Any]:
    best = found.best
    return {
        "trials": len(found.rows),
        "best": {
            "lr": best.values.get("optim.lr"),
            "epochs": best.values.get("train.epochs"),
            "values": dict(best.values),
            "perplexity": best.perplexity,
        },
        "table": str(found.folder / "results.csv"),
    }


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    draft = folder / f".{SUMMARY}"
    draft.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
    os.replace(draft, folder / SUMMARY)
