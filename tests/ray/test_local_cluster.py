"""A head and two workers on this machine, as an operator starts and ends them."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import httpx
import pytest

from calcgen_ray.errors import RunError
from calcgen_ray.local_cluster import lifecycle, plan, processes, state
from calcgen_ray.local_cluster.plan import Plan
from calcgen_ray.local_cluster.processes import identify

pytestmark = pytest.mark.ray

TASKS = """
    import json, ray

    ray.init(log_to_driver=False, logging_level="ERROR")

    @ray.remote(num_cpus=1)
    def where():
        import time

        time.sleep(1)
        return ray.get_runtime_context().get_node_id()

    names = {node["NodeID"]: node["NodeName"] for node in ray.nodes()}
    tasks = [where.options(scheduling_strategy="SPREAD").remote() for _ in range(4)]
    print(json.dumps(sorted({names[ident] for ident in ray.get(tasks)})))
"""


def python(code, variables, *arguments):
    drop = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    env = {k: v for k, v in os.environ.items() if k not in drop} | variables
    command = [sys.executable, *(("-c", textwrap.dedent(code)) if code else ()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)


def local_cluster(verb, folder, *arguments):
    """The command as it is typed."""
    module = ("-m", "calcgen_ray.local_cluster", verb, "--folder", str(folder))
    return python(None, {}, *module, *arguments)


@pytest.fixture(scope="module")
def port():
    starts = range(25000, 31000, 400)
    return next(s for s in starts if not plan.taken(range(s, s + 305)))


@pytest.fixture
def stranger(tmp_path):
    """A process that looks like Ray's to whoever goes by names, and bears another mark."""
    code = "import time; time.sleep(300)  # ray start --head gcs_server raylet"
    env = {**os.environ, plan.MARKER: "another"}
    with subprocess.Popen([sys.executable, "-c", code], env=env) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def running(tmp_path_factory, port):
    folder = tmp_path_factory.mktemp("cluster")
    said = local_cluster("up", folder, "--port", str(port))
    assert said.returncode == 0, said.stderr
    yield folder, said.stdout
    lifecycle.down(folder)


def test_its_nodes_are_alive_and_each_worker_works(running):
    folder, said = running
    known = state.read(folder)
    assert "3 of 3 alive (head, worker-1, worker-2)" in said
    assert oct((folder / "token").stat().st_mode)[-3:] == "600"
    assert lifecycle.live_nodes(known) == ["head", "worker-1", "worker-2"]
    ran = python(TASKS, known.variables)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == ["worker-1", "worker-2"]


def test_without_the_token_it_is_refused(running):
    known = state.read(running[0])
    wrong = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 64}
    check = ("-m", "ray.scripts.scripts", "health-check", "--address", known.plan.address)
    assert python(None, known.variables, *check).returncode == 0
    for variables in ({"RAY_AUTH_MODE": "disabled"}, wrong):
        refused = python(None, variables, *check)
        assert refused.returncode != 0 and "InvalidAuthToken" in refused.stderr
    jobs = f"{known.plan.dashboard}/api/jobs/"
    assert httpx.get(jobs, trust_env=False).status_code == 401
    headers = {"Authorization": f"Bearer {known.token.read_text()}"}
    assert httpx.get(jobs, headers=headers, trust_env=False, timeout=60).status_code == 200


def test_a_second_up_and_status_say_the_same(running, port, tmp_path):
    folder, said = running
    before = state.read(folder)
    for verb in ("up", "status"):
        again = local_cluster(verb, folder)
        assert again.returncode == 0 and again.stdout == said
    assert state.read(folder) == before
    other = local_cluster("up", tmp_path, "--port", str(port))
    assert other.returncode == 2 and other.stderr.count("\n") == 1
    assert f"port {port}" in other.stderr and not (tmp_path / state.STATE).exists()


def test_an_up_that_fails_leaves_nothing(tmp_path, port):
    small = Plan(workers=1, port=port + 400)
    with pytest.raises(RunError, match="not whole in time"):
        lifecycle.up(tmp_path, small, seconds=0.1)
    assert not (tmp_path / state.STATE).exists() and not (tmp_path / "token").exists()
    assert not plan.taken(small.ports)


def test_down_ends_it_alone_and_up_works_again(running, stranger, port):
    folder, _ = running
    known = state.read(folder)
    family = processes.family(known.ident, known.nodes.values())
    assert len(family) > 10
    assert local_cluster("down", folder).returncode == 0
    assert not [process for process in family if process.alive]
    assert not processes.family(known.ident, known.nodes.values())
    assert not plan.taken(known.plan.ports) and not known.temp.exists()
    assert stranger.poll() is None and identify(stranger.pid)
    assert "no cluster" in local_cluster("down", folder).stdout

    fresh = lifecycle.up(folder, Plan(workers=1, port=port))
    assert lifecycle.live_nodes(fresh) == ["head", "worker-1"]
    assert lifecycle.up(folder, Plan(workers=1, port=port)) == fresh
    assert fresh.ident != known.ident
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.chaos
def test_a_head_that_died_is_replaced(running, port):
    """What the last one left is ended first, its worker included."""
    folder: Path = running[0]
    broken = state.read(folder)
    processes.end("none", [([broken.nodes["head"]], 0.0)])
    fresh = lifecycle.up(folder, Plan(workers=1, port=port))
    assert lifecycle.live_nodes(fresh) == ["head", "worker-1"]
    assert not broken.alive and broken.temp != fresh.temp and not broken.temp.exists()
