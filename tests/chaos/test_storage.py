"""Storage that a node does not see, as one whose mount was forgotten."""

import os
import shutil
import subprocess
import time

import pytest

from calcgen_ray import settings
from calcgen_ray.local_cluster import lifecycle, plan

pytestmark = [pytest.mark.chaos, pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture
def blind(machines, tmp_path):
    """A folder over which the node worker-2 has an empty file system of its own."""
    shared, state = tmp_path / "shared", machines.state
    shared.mkdir()
    machines.lose("worker-2")
    while "worker-2" in lifecycle.live_nodes(state):
        time.sleep(0.5)
    environment = plan.environment(os.environ, state.plan, state.ident, state.token)
    mount = f'mount -t tmpfs none "{shared}" && exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh",
               *state.plan.command("worker-2", state.temp)]  # fmt: skip
    with (tmp_path / "node.log").open("wb") as log:
        node = subprocess.Popen(
            command, env={**environment, plan.NODE_MARKER: "worker-2"}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 120
    while "worker-2" not in lifecycle.live_nodes(state):
        assert time.monotonic() < deadline and node.poll() is None, (
            tmp_path / "node.log"
        ).read_text()
        time.sleep(0.5)
    yield shared
    machines.lose("worker-2")
    node.wait()
    machines.mend()


def test_the_node_is_named_before_anything_is_trained(machines, blind, tiny_config, corpus):
    config = settings.replace(tiny_config, {"workers.count": 2})
    began = time.monotonic()
    job = machines.job("train", config, corpus, blind / "run")
    assert job.wait(120) == 2, job.log[-2000:]
    [line] = [line for line in job.log.splitlines() if line.startswith("error: ")]
    assert "run.storage: node" in line and "cannot use it: does not see what was written" in line
    assert str(blind) in line and "s3://" in line
    assert time.monotonic() - began < 60
    assert not job.journal and not [p for p in (blind / "run").iterdir() if "probe" in p.name]
    shutil.rmtree(blind / "run")


def test_a_plan_that_cannot_fit_is_refused_within_a_minute(machines, tiny_config, corpus, tmp_path):
    greedy = settings.replace(tiny_config, {"workers.count": 2, "workers.cpus": 2.0})
    began = time.monotonic()
    job = machines.job("train", greedy, corpus, tmp_path / "run")
    assert job.wait(120) == 2
    assert "workers.count=2 x 2 CPU = 4 CPU, but the cluster has 2, its largest node 1" in job.log
    assert time.monotonic() - began < 60
