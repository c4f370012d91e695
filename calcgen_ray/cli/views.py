"""What the verbs show: plans, tables of results, the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calcgen_ray import cluster, runtime, settings
from calcgen_ray.cli.checkup import checkup, remedy_of
from calcgen_ray.cli.screen import Screen, text_of
from calcgen_ray.config import Config
from calcgen_ray.judge.isolation.layers import probe
from calcgen_ray.report.evaluation import families, has_answers, side_by_side
from calcgen_ray.report.versions import versions

SHOWN = 20
"""Trials of a search on the screen."""


def show_plan(screen: Screen, config: Config) -> None:
    """The resolved tree as YAML, and what it would take of this machine."""
    screen.say(settings.dump(config).rstrip())
    has = cluster.local_resources()
    device = cluster.fit(config.workers, [has])
    each = cluster.per_worker(config.workers, device)
    precision = runtime.pick_precision(config.train.precision, device)
    screen.facts("resource plan", {
        "run": config.run_name,
        "workers": f"{config.workers.count} x {each} on {device}, {precision}",
        "this machine": has,
        "rows a step": f"{config.train.batch_size} of {config.train.block_size} tokens",
    })  # fmt: skip


def show_doctor(screen: Screen, storage: str, *, json: bool) -> None:
    """Versions, CPUs, GPUs, number formats, what was tried, and the sandbox's layers."""
    flags = sorted({"avx2", "avx512f", "avx512_bf16", "amx_bf16", "neon"} & runtime.cpu_flags())
    has = cluster.local_resources()
    device = runtime.pick_device("auto", has["GPU"])
    facts = {
        **versions(),
        "cpus": int(has["CPU"]),
        "gpus": int(has["GPU"]),
        "cpu_flags": flags,
        **_gpus(),
        "device": device,
        "precision": runtime.pick_precision("auto", device),
    }
    shown = {**facts, "cpu_flags": " ".join(flags) or "none of note"}
    screen.facts("calcgen doctor", shown)
    checks = checkup(storage, os.environ)
    screen.table("tried", [{"what": c.name, "found": c.found, "what to do": c.remedy or "-"}
                           for c in checks])  # fmt: skip
    layers = [{"layer": layer.name, "holds": "on" if layer.on else "off", "reason": layer.reason,
               "remedy": remedy_of(layer)} for layer in probe()]  # fmt: skip
    screen.table("sandbox: each layer tried by what it must deny",
                 [{"layer": row["layer"], "holds": row["holds"], "reason": row["reason"] or "-",
                   "what to do": row["remedy"] or "-"} for row in layers])  # fmt: skip
    if json:
        tried = [{"name": c.name, "found": c.found, "remedy": c.remedy} for c in checks]
        screen.json({**facts, "tried": tried, "sandbox": layers})


def _gpus() -> dict[str, str]:
    """Name, memory and number formats of each kind of GPU; nothing where there is none."""
    import torch

    names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    kinds = {f"{p.name}, {p.total_memory / 2**30:.0f} GiB, sm_{p.major}{p.minor}" for p in names}
    return {"gpu": "; ".join(sorted(kinds)), "cuda": str(torch.version.cuda)} if kinds else {}


def show_corpus(screen: Screen, folder: Any, manifest: Mapping[str, Any]) -> None:
    """Counts of a corpus, and what was left out and why."""
    keys = ("cells", "by_source", "by_family", "by_split", "tokens", "mean_cell_tokens",
            "diversity", "licences")  # fmt: skip
    screen.facts("corpus", {"folder": folder, **{k: manifest[k] for k in keys if manifest[k]}})
    rows = [{"reason or count": k, "cells": v} for k, v in manifest["left_out"].items() if v]
    if rows:
        screen.table("read, run and left out", rows)


def show_training(screen: Screen, trained: Mapping[str, Any]) -> None:
    screen.facts("training", {k: v for k, v in trained.items() if v is not None})


def show_summary(screen: Screen, summary: Mapping[str, Any]) -> None:
    """The main job's table: one line a figure."""
    corpus, train, tune, serve = (summary[k] for k in ("corpus", "train", "tune", "serve"))
    screen.facts(f"run {summary['run']}", {
        "corpus": f"{corpus['cells']:,} cells ({_counts(corpus['by_source'])}), "
                  f"{corpus['tokens']:,} tokens, {corpus['mean_cell_tokens']:.0f} a cell",
        "training": f"{train['workers']} workers, {train['steps']:,} steps, "
                    f"{train['useful_tokens_per_s']:,.0f} tokens/s, "
                    f"{100 * train['pad_fraction']:.1f} % padding, {train['precision']}",
        "loss": f"{train['loss_initial']:.3f} -> {train['loss_final']:.3f}",
        "perplexity": f"{train['perplexity_initial']:,.3f} -> {train['perplexity_final']:,.3f}",
        "search": f"{tune['trials']} trials; best {text_of(tune['best']['values'])}, "
                  f"perplexity {tune['best']['perplexity']:.3f}",
        "endpoint": f"{serve['url']}, first completion in {serve['latency_s']:.2f} s",
    })  # fmt: skip
    screen.say("\n" + serve["prompt"] + serve["completion"].rstrip() + "\n")


def show_search_plan(screen: Screen, config: Config) -> None:
    """What a trial needs, what this machine has, and how many trials fit at once."""
    from calcgen_ray.tune.driver import check, concurrency
    from calcgen_ray.tune.table import count

    check(config)
    named = os.environ.get("RAY_ADDRESS")
    has = cluster.local_resources()
    device = cluster.fit(config.workers, [has])
    each = cluster.per_worker(config.workers, device)
    screen.facts("search plan", {
        "trials": f"{count(config)}, {config.tune.searcher} and {config.tune.scheduler}",
        "a trial needs": f"{config.workers.count} x {each}",
        "counted": f"this machine, not the cluster at {named}" if named
                   else "this machine, since RAY_ADDRESS names no cluster",
        "this machine has": has,
        "at once": concurrency(config, [has]),
    })  # fmt: skip


def show_trials(screen: Screen, rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The best trials; the rest stands in the file, and what went wrong where something did."""
    hidden = {"checkpoint", "steps", "seconds"}  # a terminal is 80 columns wide
    if not any(row["error"] for row in rows):
        hidden.add("error")
    shown = [{k.rsplit(".", 1)[-1]: v for k, v in row.items() if k not in hidden} for row in rows]
    screen.table("trials by perplexity", shown[:SHOWN])
    more = f" ({len(rows) - SHOWN} more trials)" if len(rows) > SHOWN else ""
    screen.say(f"table: {path}{more}")


def show_evaluation(screen: Screen, checkpoints: Sequence[Mapping[str, Any]]) -> None:
    """The measures down the side, a column a checkpoint; then the families.

    Of three checkpoints and more the intervals stand on lines of their own: 80 columns are few.
    """
    narrow = len(checkpoints) > 2
    measures = side_by_side(checkpoints)
    if narrow:
        measures = [{k: v.replace(" [", "\n[") for k, v in row.items()} for row in measures]
    screen.table("checkpoints, side by side", measures)
    rows = families(checkpoints) if has_answers(checkpoints) else []
    if rows:
        screen.table("right answers by family in %, greedy: all, easy/medium/hard", rows)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{value:,} {key}" for key, value in counts.items())
