"""A base from public packages: corpus, tokenizer, random weights, training, a folder to ship."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from calcgen_ray import settings
from calcgen_ray.config import Config
from calcgen_ray.corpus import store
from calcgen_ray.corpus.build import build
from calcgen_ray.corpus.licences import licence_of, version_of
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.model.architecture import new_model
from calcgen_ray.model.loading import EMBEDDED, EMBEDDED_RANDOM, embedded_folder, load_model
from calcgen_ray.model.tokenizer import train_tokenizer
from calcgen_ray.report.card import write_card
from calcgen_ray.report.plots import plot_run
from calcgen_ray.report.versions import versions
from calcgen_ray.train import driver as training
from calcgen_ray.train import journal
from calcgen_ray.train.run import TrainResult

START, BASE, RECIPE, CARD = "start", "base", "recipe.json", "README.md"


def pretrain(
    config: Config,
    folder: Path,
    stage: Callable[[str, int, int], None] = lambda *_: None,
    listen: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Makes a base in `folder`, going on where an earlier process was ended; returns its recipe.

    `config.model` is what it starts from: random weights (`embedded-random`), or another base.

    `folder/base` then holds weights in float16, tokenizer, configs, model card, recipe and the
    manifest of sizes and sha256.

    Raises:
        CalcgenError: whatever a stage raises.
    """
    corpus = build(config, stage)
    changed = config
    if config.model == EMBEDDED_RANDOM:
        start = make_start(config, corpus, folder / START)
        changed = settings.replace(config, {"model": str(start), "revision": None})
    trained = training.train(changed, corpus, folder, listen)
    plot_run(folder)
    recipe = describe(config, corpus, trained)
    export(trained.checkpoint, folder / BASE, recipe)
    return recipe


def make_start(config: Config, corpus: Path, target: Path) -> Path:
    """A folder with a tokenizer made from the training cells, and random weights for it."""
    if not (target / checkpoints.MANIFEST).is_file():
        texts = [record.text for record in store.read(corpus, "train")]
        wanted = min(config.architecture.tokenizer_cells, len(texts))
        chosen = [texts[i * len(texts) // wanted] for i in range(wanted)]
        tokenizer = train_tokenizer(chosen, config.architecture.vocab_size)
        model = new_model(config.architecture, tokenizer, config.run.seed)

        def fill(draft: Path) -> None:
            model.save_pretrained(draft)
            tokenizer.save_pretrained(draft)

        checkpoints.write_folder(target, fill, step=0, metrics={})
    return target.resolve()


def describe(config: Config, corpus: Path, trained: TrainResult) -> dict[str, Any]:
    """The recipe: settings and their hash, packages with versions and licences, data, curve."""
    manifest = store.read_manifest(corpus)
    entries = journal.read(trained.folder / journal.JOURNAL)
    plain = config.model_dump(mode="json", include={"corpus", "architecture", "train", "optim"})
    plain["seed"] = config.run.seed
    start = recipe_of(config.model)
    if start is not None:  # the shape is that of the weights it went on from
        plain |= {"architecture": start["settings"]["architecture"], "start": start["recipe"]}
    text = json.dumps(plain, sort_keys=True)
    scores = [e for e in entries if e["event"] == "eval" and "perplexity" in e]
    # A run that went on after a crash may have scored a step twice.
    curve = {e["step"]: round(e["perplexity"], 4) for e in scores}
    return {
        "recipe": hashlib.sha256(text.encode()).hexdigest(),
        "settings": plain,
        "start": start,
        "read": {
            name: {"version": version_of(name), "licence": licence_of(name)}
            for name in sorted({*config.corpus.packages, "sympy"})
        },
        "versions": {**versions(), "tokenizers": version("tokenizers")},
        "corpus": {
            key: manifest[key] for key in ("sha256", "cells", "by_source", "by_family", "licences")
        },
        "steps": trained.steps,
        "tokens": sum(e["tokens"] for e in entries if e["event"] == "step"),
        "seconds": round(trained.seconds),
        "workers": trained.workers,
        "device": trained.device,
        "precision": trained.precision,
        "curve": [{"step": step, "perplexity": value} for step, value in curve.items()],
    }


def recipe_of(model: str) -> dict[str, Any] | None:
    """The recipe of a base that training goes on from; None for random weights or another model."""
    if model == EMBEDDED_RANDOM:
        return None
    folder = embedded_folder() if model == EMBEDDED else Path(model).expanduser()
    path = folder / RECIPE
    found: dict[str, Any] | None = json.loads(path.read_text("utf-8")) if path.is_file() else None
    return found


def export(checkpoint: Path, target: Path, recipe: Mapping[str, Any]) -> Path:
    """Writes the folder that is shipped.

    Float16 keeps three bits more of a weight than bfloat16, and no weight is near its limits.
    """
    import torch

    def fill(draft: Path) -> None:
        load_model(str(checkpoint)).to(torch.float16).save_pretrained(draft)
        for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            shutil.copy(checkpoint / name, draft / name)
        (draft / RECIPE).write_text(json.dumps(recipe, indent=1) + "\n", "utf-8")
        write_card(draft / CARD, recipe)
        (draft / "model.safetensors").chmod(0o644)  # safetensors makes it the owner's alone

    shutil.rmtree(target, ignore_errors=True)
    found = checkpoints.verify(checkpoint)
    return checkpoints.write_folder(target, fill, step=found.step, metrics=found.metrics).path


def ship(base: Path, out: Path) -> None:
    """Puts a verified base's files into `out`, which is emptied first."""
    checkpoints.verify(base)
    draft = out.with_name(f".{out.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(base, draft)
    shutil.rmtree(out, ignore_errors=True)
    os.rename(draft, out)
