"""What travels with a job, what stays, and what is refused before anything is sent."""

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray import settings
from calcgen_ray.errors import ConfigError, DataError, ResourceError
from calcgen_ray.jobs import paths, upload, work
from calcgen_ray.jobs.upload import MIB, File, Upload


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with notebooks, a model, and a folder that .gitignore hides."""
    root = tmp_path / "project"
    for name in ("notes/a.py", "notes/b.md", "notes/picture.png", "hidden/a.py",
                 "model/config.json", "model/.cache/x", "secret.txt"):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1 + 1\n")
    (root / ".gitignore").write_text("hidden/\nb.md\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.py").write_text("1\n")
    monkeypatch.chdir(root)
    return root


def placed(here, *words, verb="train", same_machine=False):
    asked = work.make(verb, [*words, "run.storage=/mnt/runs"])
    return paths.place(asked, here, same_machine=same_machine)


def cargo(here, *words, **options):
    found = placed(here, *words)
    return upload.collect(found.work.yaml, found.travel, here, **options)


def names(found):
    return sorted(file.name for file in found.files)


def test_only_what_the_configuration_names_travels(here):
    assert names(cargo(here)) == []
    found = cargo(here, "corpus.folders=[notes]", "model=model", ignored_too=True)
    assert names(found) == ["model/config.json", "notes/a.py", "notes/b.md"]
    assert [row[:2] for row in found.rows()] == [
        ("calcgen-job.yaml", 1), ("notes/", 2), ("model/", 1)
    ]  # fmt: skip
    assert sum(size for *_, size in found.rows()) == found.size
    upload.check(found)


def test_what_gitignore_hides_is_said(here):
    found = cargo(here, "corpus.folders=[notes]")
    assert names(found) == ["notes/a.py"] and found.missing is None
    [line] = found.hidden
    assert "1 files of notes/" in line and ".gitignore: b.md" in line and "--include-i" in line
    whole = cargo(here, "corpus.folders=[notes, hidden]")
    assert "hidden by .gitignore: hidden/" in whole.missing
    assert cargo(here, "corpus.folders=[hidden]", ignored_too=True).missing is None


def test_paths_as_the_job_will_read_them(here):
    found = placed(here, f"corpus.folders=[./notes, {here}/hidden]", f"model={here}/model")
    assert found.work.config.corpus.folders == ("notes", "hidden")
    assert found.work.config.model == "model" and not found.warnings
    asked = work.make("train", ["model=Salesforce/codegen-350M-mono", "run.storage=/r"])
    assert paths.place(asked, here, same_machine=False).work == asked
    evaluated = placed(here, "embedded", "./model", "some-run", verb="eval")
    assert evaluated.work.targets == ("embedded", "model", "some-run")
    assert [one.path for one in evaluated.travel] == [here / "model"]


def test_what_lies_elsewhere_stays_there(here):
    outside = here.parent / "outside"
    found = placed(here, f"corpus.folders=[{outside}, /mnt/no/such]")
    assert not found.travel and len(found.warnings) == 2
    assert "does not travel; the cluster must have it there" in found.warnings[0]
    assert "is not on this machine" in found.warnings[1]
    near = placed(here, "corpus.folders=[../outside]", same_machine=True)
    assert near.work.config.corpus.folders == (str(outside),) and not near.warnings


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("corpus.folders=[../outside]", "'../outside' cannot travel"),
        ("corpus.folders=[nowhere]", "'nowhere' does not exist"),
        ("model=secret.txt", "'secret.txt' cannot travel"),
    ],
)
def test_what_could_not_be_found_there_is_refused(here, word, said):
    with pytest.raises(DataError, match=said):
        placed(here, word)


def test_keys_are_never_uploaded(here):
    word = "serve.keys_file=secret.txt"
    with pytest.raises(DataError, match=r"serve.keys_file: 'secret.txt' cannot travel"):
        placed(here, word, verb="run")
    near = placed(here, word, verb="run", same_machine=True)
    assert near.work.config.serve.keys_file == str(here / "secret.txt") and not near.travel


def test_storage_must_outlive_the_job(here):
    asked = work.make("train", ["embedded"])
    with pytest.raises(ResourceError, match=r"run.storage: 'runs' would lie .* run.storage=/mnt"):
        paths.place(asked, here, same_machine=False)
    near = paths.place(asked, here, same_machine=True)
    assert near.work.config.run.storage == str(here / "runs")
    assert near.work.config.run_name == asked.config.run_name


def test_a_bucket_is_for_training_alone():
    bucket = "run.storage=s3://bucket/runs"
    assert paths.place(work.make("train", [bucket]), Path.cwd(), same_machine=False)
    for verb in ("tune", "run", "pretrain"):
        with pytest.raises(ConfigError, match="only `calcgen train` works in a bucket"):
            paths.place(work.make(verb, [bucket]), Path.cwd(), same_machine=False)


def test_too_much_is_refused_with_the_sum(here):
    big = File("model/weights", here / "none", 120 * MIB, "model/")
    with pytest.raises(ResourceError, match=r"model/ 120.0 = 120.0 MiB, but Ray takes 99 MiB"):
        upload.check(Upload("", (big,)))
    upload.check(Upload("", (replace(big, size=upload.LIMIT_BYTES),)))


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("sympy/__init__.py", False), ("random.py", False), ("sympy/a.py", True),
        ("notes/random.py", True), ("mine/__init__.py", True), ("sympy/x/__init__.py", True),
    ],
)  # fmt: skip
def test_nothing_hides_a_package_of_the_cluster(here, name, good):
    found = Upload("", (File(name, here / "none", 1, "x"),))
    if good:
        return upload.check(found)
    with pytest.raises(DataError, match="would be imported in its place"):
        upload.check(found)


def test_equal_files_make_equal_bytes(here, tmp_path):
    first = cargo(here, "corpus.folders=[notes]", "model=model")
    upload.pack(first, tmp_path / "one.zip")
    os.utime(here / "notes/a.py", (1e9, 1e9))
    again = cargo(here, "corpus.folders=[notes]", "model=model")
    upload.pack(again, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert upload.digest(first) == upload.digest(again)
    (here / "notes/a.py").write_text("1 + 2\n")
    assert upload.digest(again) != upload.digest(replace(first, files=first.files[:1]))


def test_the_configuration_comes_back_whole(here, tmp_path):
    found = placed(here, "article", "corpus.folders=[notes]", "train.steps=7")
    packed = upload.collect(found.work.yaml, found.travel, here, ignored_too=True)
    upload.pack(packed, tmp_path / "job.zip")
    with zipfile.ZipFile(tmp_path / "job.zip") as archive:
        archive.extractall(tmp_path / "job")
    again = settings.load(str(tmp_path / "job/calcgen-job.yaml"))
    exclude = {"base"}
    assert again.model_dump(exclude=exclude) == found.work.config.model_dump(exclude=exclude)
    assert (tmp_path / "job/notes/a.py").is_file()


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2**31), max_size=6))
def test_parts_add_up(sizes):
    files = tuple(File(f"{name}/x", None, size, f"{name}/") for name, size in sizes.items())
    found = Upload("config", files)
    assert sum(size for *_, size in found.rows()) == found.size == 6 + sum(sizes.values())
