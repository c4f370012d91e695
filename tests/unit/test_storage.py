"""A bucket's folder and its copies, over a file system of this machine."""

import errno
import os

import pytest

from calcgen_ray.errors import ConfigError
from calcgen_ray.storage import Mirror, is_bucket, refuse_bucket, retried, try_out


@pytest.fixture
def mirror(tmp_path):
    """Gives copies of one folder, each as another machine has it."""
    (tmp_path / "bucket").mkdir()

    def make(role):
        return Mirror(f"file://{tmp_path}/bucket/runs", role, tmp_path / "homes")

    return make


def put(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_what_one_puts_another_gets(mirror):
    here, there = mirror("a"), mirror("b")
    put(here.root, {"run/x": "1", "run/sub/calcgen.json": "{}", "other/y": "2"})
    here.push(here.root / "run")
    assert there.pull(there.root / "run")
    found = {p.relative_to(there.root).as_posix() for p in there.root.rglob("*") if p.is_file()}
    assert found == {"run/x", "run/sub/calcgen.json"}
    assert there.names(there.root / "run") == ["sub", "x"] and there.names(there.root) == ["run"]
    assert not there.pull(there.root / "other") and not there.has(there.root / "other")
    put(here.root, {"run/x": "changed"})
    here.push(here.root / "run" / "x")
    assert there.pull(there.root / "run" / "x")
    assert (there.root / "run/x").read_text() == "changed"
    there.delete(there.root / "run")
    assert here.names(here.root) == []


def test_a_file_that_changed_within_its_size_is_brought_anew(mirror, monkeypatch):
    here, there = mirror("a"), mirror("b")
    put(here.root, {"run/x": "1", "run/y": "1"})
    here.push(here.root / "run")
    there.pull(there.root / "run")
    put(here.root, {"run/x": "2"})
    here.push(here.root / "run/x")
    brought, download = [], Mirror._download

    def noted(self, info, target):
        brought.append(target.name)
        download(self, info, target)

    monkeypatch.setattr(Mirror, "_download", noted)
    there.pull(there.root / "run")
    assert brought == ["x"] and (there.root / "run/x").read_text() == "2"


def test_the_manifest_comes_last(mirror, monkeypatch):
    here, order = mirror("a"), []
    put(here.root, {"c/calcgen.json": "{}", "c/a": "", "c/z": "", "c/t/part": ""})
    monkeypatch.setattr(Mirror, "_upload", lambda self, file: order.append(file.name))
    here.push(here.root / "c")
    assert order[-1] == "calcgen.json" and set(order) == {"calcgen.json", "a", "z", "part"}


def test_a_probe_is_answered_and_swept(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here = mirror("probe")
    put(here.root, {".probe-1": ""})
    assert try_out(here.uri, ".probe-1", "node") == "does not see what was written"
    here.push(here.root / ".probe-1")
    assert try_out(here.uri, ".probe-1", "node") == ""
    assert here.has(here.root / ".probe-1-node")
    here.sweep(".probe-1")
    assert here.names(here.root) == []


def test_a_folder_is_tried_too(tmp_path):
    assert "does not see" in try_out(str(tmp_path), ".probe-1", "node")
    (tmp_path / ".probe-1").write_text("")
    assert try_out(str(tmp_path), ".probe-1", "node") == ""
    assert (tmp_path / ".probe-1-node").read_text() == "node"


@pytest.mark.parametrize("uri", ["ftp://x/y", "s3://", "nonsense://"])
def test_what_is_no_bucket_is_named(uri, tmp_path):
    with pytest.raises(ConfigError, match=r"run\.storage") as told:
        Mirror(uri, "a", tmp_path)
    assert uri in str(told.value) and "\n" not in str(told.value)


def test_a_folder_where_only_a_folder_will_do():
    assert refuse_bucket("/mnt/runs") == "/mnt/runs" and not is_bucket("runs")
    with pytest.raises(ConfigError, match="s3://b/runs"):
        refuse_bucket("s3://b/runs")


@pytest.mark.parametrize(("number", "calls"), [(errno.EIO, 4), (errno.ENOSPC, 1)])
def test_errors_that_stay_are_raised(number, calls):
    count = []

    def work():
        count.append(1)
        raise OSError(number, os.strerror(number))

    with pytest.raises(OSError, match=os.strerror(number)):
        retried(work, seconds=0.0)
    assert len(count) == calls
