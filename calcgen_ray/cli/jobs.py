"""What each verb does: a call into the layers below, with progress on the screen."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from calcgen_ray import cluster, pipeline, settings
from calcgen_ray.cli import views
from calcgen_ray.cli.screen import Screen
from calcgen_ray.cli.search import SearchView
from calcgen_ray.config import Config
from calcgen_ray.corpus import store
from calcgen_ray.corpus.build import build
from calcgen_ray.registry.locate import find_checkpoint
from calcgen_ray.storage import Mirror, is_bucket, refuse_bucket
from calcgen_ray.tune.table import count

LOG = "ray.log"


def run(screen: Screen, config: Config, *, once: bool, json: bool) -> None:
    folder = pipeline.run_folder(config)
    with screen.quiet(folder / LOG):
        try:
            with screen.progress():
                summary = pipeline.run(config, _listeners(screen, config))
            views.show_summary(screen, summary)
            screen.say(f"summary, plots and Ray's log: {folder}/")
            if json:
                screen.json(summary)
            if not once:
                _wait(screen, summary["serve"])
            _end_endpoint()
        finally:
            cluster.disconnect()


def train(screen: Screen, config: Config, *, json: bool) -> None:
    from calcgen_ray.report.plots import plot_run
    from calcgen_ray.train.driver import train as fit

    storage = config.run.storage
    mirror = Mirror(storage, "driver") if is_bucket(storage) else None
    if mirror:
        mirror.check()  # before the corpus is made, which may take minutes
    here = settings.replace(config, {"run.storage": str(mirror.root)}) if mirror else config
    folder = pipeline.run_folder(here)
    with screen.quiet(folder / LOG):
        try:
            with screen.progress():
                listeners = _listeners(screen, config)
                corpus = build(here, listeners.stage)
                result = fit(config, corpus, folder, listeners.train, mirror)
        finally:
            cluster.disconnect()
        plots = plot_run(folder)
        views.show_training(screen, pipeline.describe_training(result))
        screen.say(f"run {config.run_name}: {', '.join(str(p) for p in plots)}")
        if json:
            screen.json({"run": config.run_name, **pipeline.describe_training(result)})


def pretrain(screen: Screen, config: Config, out: Path | None, *, json: bool) -> None:
    from calcgen_ray import pretraining

    folder = pipeline.run_folder(config)
    with screen.quiet(folder / LOG):
        try:
            with screen.progress():
                listeners = _listeners(screen, config)
                recipe = pretraining.pretrain(config, folder, listeners.stage, listeners.train)
        finally:
            cluster.disconnect()
        if out is not None:
            pretraining.ship(folder / pretraining.BASE, out)
        screen.say(f"base: {out or folder / pretraining.BASE}, {recipe['tokens']:,} tokens seen")
        if json:
            screen.json(recipe)


def tune(screen: Screen, config: Config, *, json: bool) -> None:
    from calcgen_ray.report.search import plot_search
    from calcgen_ray.tune import table
    from calcgen_ray.tune.driver import preflight
    from calcgen_ray.tune.driver import tune as search

    folder = pipeline.run_folder(config)
    with screen.quiet(folder / LOG):
        try:
            at_once = preflight(config)
            screen.say(f"{table.count(config)} trials, {at_once} at once")
            with screen.progress():
                corpus = build(config, screen.advance)
            view = SearchView(screen, table.count(config), folder)
            with screen.live(view.table):
                found = search(config, corpus, folder, view)
        finally:
            cluster.disconnect()
        rows = [table.flat(row) for row in found.rows]
        views.show_trials(screen, rows, folder / table.TABLE)
        plots = plot_search(config, folder)
        screen.say(f"plots: {', '.join(str(path) for path in plots)}")
        if found.failures:
            screen.say(found.failures)
        if config.tune.scheduler == "pbt":
            screen.say(f"{table.BEST} holds the last values of the best member; the table has each "
                       "generation's")  # fmt: skip
        screen.say(f"train the best again: calcgen train {folder / table.BEST} run.name=NAME")
        screen.say(f"promote the winner: calcgen promote {found.best.checkpoint}")
        if json:
            screen.json({"run": config.run_name, **pipeline.describe_search(found),
                         "rows": rows})  # fmt: skip


def corpus(screen: Screen, config: Config, *, json: bool) -> None:
    with screen.progress():
        folder = build(config, screen.advance)
    manifest = store.read_manifest(folder)
    views.show_corpus(screen, folder, manifest)
    if json:
        screen.json({"folder": str(folder), **manifest})


def tokenizer(screen: Screen, config: Config, out: Path, vocab_size: int) -> None:
    from calcgen_ray.model.tokenizer import encode_all, train_tokenizer

    with screen.progress():
        texts = [record.text for record in store.read(build(config, screen.advance), "train")]
    made = train_tokenizer(texts, max(300, vocab_size))
    made.save_pretrained(out)
    tokens = sum(map(len, encode_all(made, texts)))
    ratio = sum(len(text.encode()) for text in texts) / tokens
    screen.say(f"{out}: {len(made):,} entries, {ratio:.2f} bytes a token over {len(texts):,} cells")


def calcbench(screen: Screen, out: Path) -> None:
    from calcgen_ray import runtime
    from calcgen_ray.corpus.calcbench import SHA256
    from calcgen_ray.corpus.calcbench.build import build as make

    out.mkdir(parents=True, exist_ok=True)
    for name, frozen in SHA256.items():
        path = out / f"{name}.jsonl"
        with screen.progress():
            digest = make(name, path, runtime.cpu_count(), partial(screen.advance, f"make {name}"))
        same = "the frozen benchmark" if digest == frozen else f"NOT the frozen one, {frozen}"
        screen.say(f"{path}: sha256 {digest}, {same}")


def evaluate(
    screen: Screen, config: Config, targets: list[str], corpus: Path | None, *, json: bool
) -> None:
    from calcgen_ray.evaluate.driver import evaluate as measure
    from calcgen_ray.evaluate.subject import FOLDER, find_folder
    from calcgen_ray.report.evaluation import write_report

    folder = Path(refuse_bucket(config.run.storage)) / FOLDER
    with screen.quiet(folder / LOG):
        try:
            for target in targets:
                find_folder(target, Path(refuse_bucket(config.run.storage)))
            with screen.progress():
                found = measure(
                    targets, config, corpus or build(config, screen.advance), screen.advance
                )
        finally:
            cluster.disconnect()
        report = write_report(folder, found)
        views.show_evaluation(screen, [figures for _, figures in found])
        screen.say(f"report, plots and samples: {report}")
        for subject, _ in found:
            screen.say(f"every completion of {subject.name}: {subject.home / 'records.parquet'}")
        if json:
            screen.json({"report": str(report), "checkpoints": [figures for _, figures in found]})


def promote(screen: Screen, target: str, storage: Path) -> None:
    from calcgen_ray.generate.convert import to_ctranslate2
    from calcgen_ray.registry.store import Registry

    folder = find_checkpoint(target, storage)
    name = target if (storage / target).is_dir() else folder.name
    entry = Registry(storage / "registry").promote(folder, Path(name).name, convert=to_ctranslate2)
    screen.say(f"promoted {entry.id} from {folder}; `calcgen serve` deploys it, and endpoints that "
               "follow the registry take it within seconds")  # fmt: skip


def rollback(screen: Screen, storage: Path) -> None:
    from calcgen_ray.registry.store import Registry

    entry = Registry(storage / "registry").roll_back()
    screen.say(f"live again: {entry.id}; endpoints that follow the registry take it within seconds")


def serve(screen: Screen, config: Config, *, once: bool) -> None:
    entry = pipeline.registry(config).live()
    with screen.quiet(Path(refuse_bucket(config.run.storage)) / "registry" / LOG):
        try:
            told = pipeline.serve_once(config, entry)
            screen.say(f"serving {entry.id}")
            if not once:
                _wait(screen, told)
            _end_endpoint()
        finally:
            cluster.disconnect()


def _end_endpoint() -> None:
    """A cluster that was joined goes on, and the endpoint on it would, too."""
    from calcgen_ray.serving import driver as endpoint

    if os.environ.get("RAY_ADDRESS"):
        endpoint.stop()


def _listeners(screen: Screen, config: Config) -> pipeline.Listeners:
    return pipeline.Listeners(
        stage=screen.advance,
        train=TrainView(screen, config.train.log_steps),
        tune=SearchView(screen, count(config), pipeline.run_folder(config) / "tune"),
        say=screen.say,
    )


class TrainView:
    """Shows a training journal as it grows."""

    def __init__(self, screen: Screen, log_steps: int) -> None:
        self.screen, self.log_steps, self.total = screen, log_steps, 0

    def __call__(self, entry: Mapping[str, Any]) -> None:
        event, step = entry["event"], entry["step"]
        if event == "start":
            self.total = entry["total"]
            resumed = f", going on from step {step}" if step else ""
            self.screen.say(
                f"  {entry['parameters'] / 1e6:.1f} M parameters, {self.total} steps on "
                f"{entry['workers']} x {entry['device']} in {entry['precision']}{resumed}"
            )
        elif event == "wait":
            self.screen.say(f"  {entry['reason']}")
        elif event == "eval" and entry.get("perplexity") is not None:
            self.screen.say(f"  epoch {entry['epoch']:.2f}: perplexity {entry['perplexity']:,.3f}")
        elif event == "step":
            note = f"loss {entry['loss']:.4f}"
            self.screen.advance("train", step, self.total, note, plain=False)
            if (step - 1) % self.log_steps == 0 or step == self.total:
                self.screen.say(f"  step {step:5}/{self.total}, {note}")


def _wait(screen: Screen, told: dict[str, Any]) -> None:
    screen.say("The endpoint is up until Ctrl-C. Ask it:\n")
    screen.say(
        f"  curl {told['url']}/v1/completions -H 'Content-Type: application/json' \\\n"
        f'    -d \'{{"model": "{told["model"]}", "max_tokens": 96, "temperature": 0,\n'
        '         "prompt": "# Integrate x*exp(x) with respect to x.\\n"}\'\n'
    )
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        screen.say("stopping")
