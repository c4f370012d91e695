"""cluster.json, the token file, the lock, and what the command says."""

import json
import os
import stat
from dataclasses import replace

import pytest

from calcgen_ray.errors import ResourceError
from calcgen_ray.local_cluster import lifecycle, state
from calcgen_ray.local_cluster.__main__ import main
from calcgen_ray.local_cluster.plan import Plan
from calcgen_ray.local_cluster.processes import Process, identify
from calcgen_ray.local_cluster.state import State


@pytest.fixture
def known(tmp_path):
    nodes = {"head": identify(os.getpid()), "worker-1": Process(1, "before")}
    return State("ab", Plan(1, 2, 21000), tmp_path / "temp", tmp_path / "token", nodes)


def test_what_is_written_is_read(tmp_path, known):
    state.write(tmp_path, known)
    assert state.read(tmp_path) == known and known.alive == ["head"]
    record = json.loads((tmp_path / state.STATE).read_text())
    assert record["address"] == "127.0.0.1:21000" and record["ports"] == [21000, 21204]
    assert record["dashboard"] == "http://127.0.0.1:21001"
    assert [path.name for path in tmp_path.iterdir()] == [state.STATE]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ident": 1, "plan": {"x": 1}}', "\xff"])
def test_a_file_that_is_not_ours_is_named(tmp_path, text):
    (tmp_path / state.STATE).write_bytes(text.encode("latin-1"))
    with pytest.raises(ResourceError, match=r"cluster\.json: cannot be read"):
        state.read(tmp_path)


def test_only_its_owner_reads_the_token(tmp_path):
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)
    state.write_token(path, "new")
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_at_a_time(tmp_path):
    with state.locked(tmp_path), pytest.raises(ResourceError, match="at work"):
        lifecycle.up(tmp_path, Plan())


def test_whoever_connects_gets_address_and_token(known):
    assert known.variables == {
        "RAY_ADDRESS": "127.0.0.1:21000",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(known.token),
    }


def test_up_where_one_runs_shows_it(tmp_path, known, capsys):
    """And does not start another: the processes here are this test's own."""
    state.write(tmp_path, replace(known, nodes=dict.fromkeys(known.nodes, known.nodes["head"])))
    assert main(["up", "--folder", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "0 of 2 alive (none)" in out and "127.0.0.1:21000" in out and "down --folder" in out
    assert main(["status", "--folder", str(tmp_path)]) == 0
    state.write(tmp_path, known)
    assert main(["status", "--folder", str(tmp_path)]) == 1


def test_without_a_cluster(tmp_path, capsys):
    assert main(["down", "--folder", str(tmp_path)]) == 0
    assert main(["status", "--folder", str(tmp_path)]) == 1
    assert "no cluster" in capsys.readouterr().out
    assert main(["up", "--folder", str(tmp_path), "--workers", "99"]) == 2
    assert "workers: 99" in capsys.readouterr().err
