"""Builds a corpus: read the sources, run every cell, drop duplicates, split, count, store."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from calcgen_ray import runtime
from calcgen_ray.config import Config, CorpusConfig
from calcgen_ray.corpus import calcbench, duplicates, overlap, store
from calcgen_ray.corpus.cell import Cell, Reading
from calcgen_ray.corpus.docstrings import CALCULUS_MODULES, read_docstrings
from calcgen_ray.corpus.drills import make_drills
from calcgen_ray.corpus.execution import Notify, Runs, run_cells
from calcgen_ray.corpus.folder import folder_digest, read_folder
from calcgen_ray.corpus.licences import version_of
from calcgen_ray.corpus.packages import read_packages
from calcgen_ray.corpus.split import group_sizes, groups_held_out, place
from calcgen_ray.corpus.synthetic import make_problems
from calcgen_ray.errors import DataError
from calcgen_ray.judge import Runner, Sandbox
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.model.tokenizer import encode_all
from calcgen_ray.problem import Problem
from calcgen_ray.storage import refuse_bucket

LICENCE = "Apache-2.0"
MADE = ("synthetic", "drill")
NOT_RUN = ("package", "drill")


def corpus_folder(config: Config) -> Path:
    """Where the corpus of these settings lies: equal settings and equal files share one.

    What calcbench holds is left out of corpora, so another calcbench means another corpus.
    """
    parts = [
        str(store.VERSION),
        config.corpus.model_dump_json(exclude={"processes"}),
        str(config.run.seed),
        version("sympy"),
        calcbench.SHA256["calcbench"],
        *(folder_digest(Path(name)) for name in config.corpus.folders),
        *(f"{name} {version_of(name)}" for name in config.corpus.packages),
    ]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return Path(refuse_bucket(config.run.storage)) / "corpora" / digest


def build(config: Config, notify: Notify = lambda *_: None) -> Path:
    """Builds the corpus, or finds it built, and returns its folder.

    Raises:
        DataError: a source is missing, or nothing is left to train on.
    """
    folder = corpus_folder(config)
    if store.is_whole(folder):
        return folder
    processes = config.corpus.processes or runtime.cpu_count()
    counts: Counter[str] = Counter()
    drafts = _cells(config.corpus, counts, notify)
    drafts += _synthetic(config, processes, counts, notify)
    drafts += _drills(config, processes, notify)
    if config.corpus.run_cells:
        seconds, judge = config.corpus.cell_seconds, config.judge
        memory = judge.memory_mb << 20
        with Sandbox(processes, seconds, memory, isolation=judge.isolation) as sandbox:
            drafts = keep_running(drafts, sandbox, config.corpus, counts, notify)
    records = _split(drop_duplicates(drafts, config.corpus, counts), config)
    if not any(record.split == "train" for record in records):
        raise DataError(f"no cell is left to train on; left out: {dict(counts) or 'nothing read'}")
    store.write(folder, records, describe(config, records, counts))
    return folder


def _cells(corpus: CorpusConfig, counts: Counter[str], notify: Notify) -> list[Draft]:
    modules: list[str] = []
    for name in corpus.docstrings:
        modules += CALCULUS_MODULES if name == "calculus" else [name]
    readings: list[Reading] = [read_docstrings(modules)] if modules else []
    if corpus.packages:
        readings.append(_packages(corpus))
    for number, name in enumerate(corpus.folders):
        readings.append(read_folder(Path(name).expanduser()))
        notify("read folders", number + 1, len(corpus.folders))
    for reading in readings:
        counts.update({"read: documents": reading.documents, "read: cells": len(reading.cells)})
        counts.update(reading.counts)
    cells = [cell for reading in readings for cell in reading.cells]
    kept = [c for c in cells if c.source != "docstring" or c.document not in calcbench.documents()]
    if len(kept) < len(cells):
        counts["docstring: kept for calcbench"] += len(cells) - len(kept)
    return [(cell, None) for cell in kept]


def _packages(corpus: CorpusConfig) -> Reading:
    """Of the pieces that share no text with what is kept back as many as are wanted.

    The same ones on every machine.
    """
    reading = read_packages(corpus.packages, corpus.valid_fraction)
    kept_back = overlap.kept_back(corpus.valid_fraction)
    apart = [cell for cell in reading.cells if kept_back.isdisjoint(overlap.runs(cell.plain))]
    ranked = sorted(apart, key=lambda cell: place(f"{cell.document}/{cell.index}"))
    kept = ranked[: corpus.package_pieces or None]
    counts = Counter(
        {
            "package: shares text with what is kept back": len(reading.cells) - len(apart),
            "package: more pieces than wanted": len(apart) - len(kept),
        }
    )
    return Reading(kept, reading.documents, reading.counts + counts)


Draft = tuple[Cell, Problem | None]


def _synthetic(config: Config, processes: int, counts: Counter[str], notify: Notify) -> list[Draft]:
    wanted = config.corpus.synthetic
    if not wanted.count:
        return []
    drafts: list[Draft] = []
    total = wanted.count * wanted.wordings
    for made, problem in enumerate(make_problems(wanted, config.run.seed, processes), 1):
        notify("make problems", made, total)
        if problem.skeleton in calcbench.skeletons():
            counts["synthetic: kept for calcbench"] += 1
        else:
            drafts.append((_as_cell(problem, len(drafts)), problem))
    return drafts


def _drills(config: Config, processes: int, notify: Notify) -> list[Draft]:
    wanted = config.corpus.drills
    drafts: list[Draft] = []
    for drill in make_drills(wanted, config.corpus.synthetic, config.run.seed, processes):
        cell = Cell("drill", "drill", len(drafts), drill.code, drill.text,
                    statement=drill.statement, licence=LICENCE, group=drill.skeleton)  # fmt: skip
        drafts.append((cell, None))
        notify("make drills", len(drafts), wanted)
    return drafts


def _as_cell(problem: Problem, index: int) -> Cell:
    return Cell(
        source="synthetic",
        document=problem.id,
        index=index,
        plain=problem.code,
        code=problem.code,
        expected=json.dumps(asdict(problem.expected), sort_keys=True),
        statement=problem.statement,
        licence=LICENCE,
        group=problem.skeleton,
    )


def keep_running(
    drafts: Sequence[Draft],
    runner: Runner,
    corpus: CorpusConfig,
    counts: Counter[str],
    notify: Notify = lambda *_: None,
) -> list[Draft]:
    """The cells that run in the form that is trained on; the others are counted by reason.

    Parts of a package's files are not meant to run alone, and drills are right by their making:
    they are kept as they are.
    """
    kept = [draft for draft in drafts if draft[0].source in NOT_RUN]
    tried = [draft for draft in drafts if draft[0].source not in NOT_RUN]
    runs = run_cells([cell for cell, _ in tried], runner, notify)
    for draft, outcome in zip(tried, runs, strict=True):
        _count_run(draft[0], outcome, counts)
        chosen = outcome.in_order if corpus.text == "plain" else outcome.alone
        if chosen.ran:
            kept.append(draft)
    return kept


def _count_run(cell: Cell, runs: Runs, counts: Counter[str]) -> None:
    counts[f"{cell.source}: run alone" if runs.alone.ran else f"{cell.source}: fail alone"] += 1
    if cell.source == "notebook":
        word = "run" if runs.in_order.ran else "fail"
        counts[f"{cell.source}: {word} in order"] += 1
    if not runs.alone.ran:
        kind = runs.alone.error.partition(":")[0] or runs.alone.status.value
        counts[f"{cell.source}: fail alone: {kind}"] += 1


def drop_duplicates(
    drafts: Sequence[Draft], corpus: CorpusConfig, counts: Counter[str]
) -> list[Draft]:
    """Without exact copies, nor near ones among cells that people wrote.

    Near copies of problems and drills stay: wordings and code of a family are alike by design, and
    the split by skeleton keeps the same expression on one side.
    """
    if not corpus.dedupe:
        return list(drafts)
    texts = [cell.statement + "\n" + cell.code for cell, _ in drafts]
    unique = [drafts[i] for i in duplicates.exact(texts)]
    counts["duplicate: exact"] += len(drafts) - len(unique)
    written = [d for d in unique if d[0].source not in MADE]
    made = [d for d in unique if d[0].source in MADE]
    kept = duplicates.near([cell.plain for cell, _ in written])
    counts["duplicate: near"] += len(written) - len(kept)
    return [written[i] for i in kept] + made


def _split(drafts: Sequence[Draft], config: Config) -> list[store.Record]:
    sizes = group_sizes([(cell.source, cell.group) for cell, _ in drafts])
    corpus = config.corpus
    valid, test = groups_held_out(sizes, corpus.valid_fraction, config.run.seed, corpus.hold_out)
    split = {**dict.fromkeys(valid, "valid"), **dict.fromkeys(test, "test")}
    form = corpus.text
    records = [_record(cell, problem, form) for cell, problem in drafts]
    return [replace(r, split=split.get(r.group, "train")) for r in records]


def _record(cell: Cell, problem: Problem | None, form: str) -> store.Record:
    text = cell.plain if form == "plain" else cell.code
    text = problem.text if problem else text.rstrip() + "\n"
    return store.Record(
        id=f"{cell.source}/{cell.document}/{cell.index:06d}",
        source=cell.source,
        document=cell.document,
        group=cell.group,
        index=cell.index,
        family=problem.family if problem else "",
        difficulty=problem.difficulty if problem else "",
        phrasing=problem.phrasing if problem else "",
        statement=cell.statement,
        code=cell.code,
        plain=cell.plain,
        text=text,
        expected=cell.expected,
        skeleton=problem.skeleton if problem else "",
        licence=cell.licence,
        split="train",
    )


def describe(
    config: Config, records: Sequence[store.Record], counts: Mapping[str, int]
) -> dict[str, Any]:
    """The manifest: what is in the corpus, where it comes from, and what was left out and why.

    `diversity` is r = unique tokens / tokens.
    """
    tokenizer = load_model_tokenizer(config.model, config.revision)
    ids = encode_all(tokenizer, [record.text for record in records])
    tokens = sum(map(len, ids))
    return {
        "version": store.VERSION,
        "seed": config.run.seed,
        "settings": config.corpus.model_dump(mode="json"),
        "cells": len(records),
        "by_source": _count(r.source for r in records),
        "by_family": _count(r.family for r in records if r.family),
        "by_split": _count(r.split for r in records),
        "groups_valid": len({r.group for r in records if r.split == "valid"}),
        "groups_test": len({r.group for r in records if r.split == "test"}),
        "licences": _count(f"{r.source}: {r.licence or 'unknown'}" for r in records),
        "left_out": dict(sorted(counts.items())),
        "tokenizer": config.model,
        "tokens": tokens,
        "mean_cell_tokens": round(tokens / max(1, len(records)), 2),
        "diversity": round(len({i for cell in ids for i in cell}) / max(1, tokens), 6),
        "sha256": store.content_hash(records),
    }


def _count(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
