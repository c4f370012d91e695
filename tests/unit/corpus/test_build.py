"""A whole corpus, small: every source, run, split, stored; the same seed gives the same bytes."""

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from calcgen_ray import settings
from calcgen_ray.corpus import calcbench, store
from calcgen_ray.corpus.build import build, corpus_folder, drop_duplicates, keep_running
from calcgen_ray.corpus.cell import Cell
from calcgen_ray.corpus.tokens import open_tokens, tokenise
from calcgen_ray.errors import DataError
from calcgen_ray.judge import FakeRunner
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.model.tokenizer import decode
from calcgen_ray.problem import Outcome, Status

CHAPTER = ["import numpy as np\nx = np.arange({n})", "y = x + {n}\nprint(y)", "print(undefined)"]


def notebook(cells):
    body = [{"cell_type": "code", "source": c, "outputs": [], "metadata": {}} for c in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": body})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("book")
    for part in ("figures", "exercises"):
        (root / part).mkdir()
        for n in (2, 3, 4):
            cells = [c.format(n=n * (100 if part == "figures" else 7)) for c in CHAPTER]
            (root / part / f"ch{n:02}_x.ipynb").write_text(notebook(cells))
    return root


def make(folder, storage, **more):
    return settings.replace(
        settings.load("embedded"),
        {
            "run.storage": str(storage), "corpus.docstrings": ["sympy.series.limits"],
            "corpus.folders": [str(folder)], "corpus.synthetic.count": 30,
            "corpus.drills": 0, **more,
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def built(folder, tmp_path_factory):
    return build(make(folder, tmp_path_factory.mktemp("runs")))


def test_manifest_counts(built):
    manifest = store.read_manifest(built)
    assert set(manifest["by_source"]) == {"docstring", "notebook", "synthetic"}
    assert manifest["left_out"]["notebook: fail alone: NameError"] == 6
    assert manifest["left_out"]["notebook: run in order"] == 12
    assert manifest["cells"] == sum(manifest["by_split"].values()) == len(store.read(built))
    tokenizer = load_model_tokenizer("embedded")
    ids = [tokenizer(record.text)["input_ids"] for record in store.read(built)]
    assert manifest["tokens"] == sum(map(len, ids))
    unique = len({i for cell in ids for i in cell})
    assert manifest["diversity"] == pytest.approx(unique / manifest["tokens"], abs=1e-6)
    assert any(key.startswith("docstring: BSD") for key in manifest["licences"])


def test_notebook_cells_are_self_contained(built):
    cells = [r for r in store.read(built) if r.source == "notebook" and "print(y)" in r.plain]
    assert cells and all(r.text == r.code and r.code.startswith("import numpy") for r in cells)
    assert all(not r.plain.startswith("import") for r in cells)


def test_nothing_leaks_between_the_splits(built):
    sides = {s: store.read(built, s) for s in ("train", "valid")}
    assert sides["valid"]
    for field in ("group", "skeleton", "text"):
        train, valid = ({getattr(r, field) for r in sides[s]} - {""} for s in ("train", "valid"))
        assert not train & valid, field


def test_chapters_stay_together(folder, tmp_path):
    alone = {"corpus.docstrings": [], "corpus.synthetic.count": 0, "corpus.valid_fraction": 0.0}
    held = make(folder, tmp_path, **alone, **{"corpus.hold_out": ["ch03"]})
    test = store.read(build(held), "test")
    assert {r.document for r in test} == {"figures/ch03_x.ipynb", "exercises/ch03_x.ipynb"}
    assert store.measured_split(build(held)) == "test" and not store.read(build(held), "valid")


def test_same_seed_same_bytes(folder, built, tmp_path):
    again = build(make(folder, tmp_path, **{"corpus.processes": 1}))
    assert again.name == built.name
    assert (again / store.CELLS).read_bytes() == (built / store.CELLS).read_bytes()
    one, two = (store.read_manifest(f) for f in (again, built))
    assert one["sha256"] == two["sha256"] and one["left_out"] == two["left_out"]


def test_another_seed_makes_other_problems(folder, built, tmp_path):
    few = {"corpus.docstrings": [], "corpus.folders": [], "corpus.run_cells": False}
    other = build(make(folder, tmp_path, **few, **{"run.seed": 1}))
    made, mine = (
        {r.text for r in store.read(f) if r.source == "synthetic"} for f in (other, built)
    )
    assert made and not made & mine


def test_a_built_corpus_is_found_again(folder, built):
    stamp = (built / store.CELLS).stat().st_mtime_ns
    build(make(folder, built.parents[1]))
    assert (built / store.CELLS).stat().st_mtime_ns == stamp


def test_another_calcbench_means_another_corpus(folder, tmp_path, monkeypatch):
    config = make(folder, tmp_path)
    before = corpus_folder(config)
    assert corpus_folder(config) == before
    monkeypatch.setitem(calcbench.SHA256, "calcbench", "0" * 64)
    assert corpus_folder(config) != before


def test_schema_is_written(built):
    found = pq.read_schema(built / store.CELLS)
    assert found.equals(store.schema())
    assert all(not field.nullable for field in found)


def test_tokens_come_back_as_text(built):
    tokenizer = load_model_tokenizer("embedded")
    tokens = tokenise(built, "train", tokenizer)
    texts = [r.text for r in store.read(built, "train")]
    for index in (0, len(texts) // 2, len(texts) - 1):
        ids = tokens[index].tolist()
        assert ids[-1] == tokenizer.eos_token_id
        assert decode(tokenizer, ids[:-1]) == texts[index]
    [path] = built.glob("cells-train-*.arrow")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="missing or damaged"):
        open_tokens(path)
    path.unlink()


def cell(code, source="notebook", index=0):
    return Cell(source, "a.ipynb", index, code, code, group="a")


def test_what_does_not_run_is_left_out_and_counted():
    def outcome(code):
        bad = "bad" in code
        return Outcome(Status.FAILED if bad else Status.RAN, error="KeyError: x" if bad else "")

    corpus, counts = settings.load("embedded").corpus, Counter()
    drafts = [(cell("good = 1"), None), (cell("bad = 1", index=1), None)]
    kept = keep_running(drafts, FakeRunner(outcome), corpus, counts)
    assert kept == drafts[:1]
    assert counts["notebook: fail alone: KeyError"] == 1 == counts["notebook: run alone"]


def test_copies_are_dropped():
    corpus, counts = settings.load("embedded").corpus, Counter()
    drafts = [(cell("x = 1\ny = 2"), None), (cell("x=1\ny=2\n# same", index=1), None)]
    assert drop_duplicates(drafts, corpus, counts) == drafts[:1]
    assert counts["duplicate: exact"] == 1


def test_nothing_left_is_an_error(tmp_path):
    (tmp_path / "a.py").write_text("raise SystemExit(1)\n")
    lonely = make(tmp_path, tmp_path / "runs", **{
        "corpus.docstrings": [], "corpus.synthetic.count": 0,
    })  # fmt: skip
    with pytest.raises(DataError, match="no cell is left"):
        build(lonely)
