"""The cluster of one command: few processes, a token, and nothing left of it when it is killed."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calcgen_ray.head import free_port
from calcgen_ray.local_cluster.processes import family, identify

pytestmark = pytest.mark.ray

COMMAND = """
import time
from calcgen_ray import cluster
cluster.connect(dashboard=False)
import ray
print(ray.get_runtime_context().gcs_address, flush=True)
time.sleep(600)
"""
JOIN = "import sys, ray; ray.init(sys.argv[1], log_to_driver=False); print(ray.cluster_resources())"


@pytest.fixture
def command():
    env = {k: v for k, v in os.environ.items() if k not in ("RAY_ADDRESS", "RAY_AUTH_MODE")}
    process = subprocess.Popen([sys.executable, "-c", COMMAND], stdout=subprocess.PIPE, text=True,
                               env=env)  # fmt: skip
    yield process, process.stdout.readline().strip()
    process.kill()
    process.wait()


def join(address, mode):
    return subprocess.run([sys.executable, "-c", JOIN, address], capture_output=True, text=True,
                          timeout=120, env={**os.environ, "RAY_AUTH_MODE": mode})  # fmt: skip


def test_it_has_no_dashboard_asks_for_a_token_and_ends_with_its_command(command):
    process, address = command
    started = {
        one: Path(f"/proc/{one.pid}/cmdline").read_text().replace("\0", " ")
        for one in family("no mark", [identify(process.pid)])
    }
    commands = [line.split(" --")[0] for line in started.values()]
    assert any("gcs_server" in line for line in commands)
    assert any("raylet/raylet" in line for line in commands)
    assert not any("dashboard.py" in line or "monitor" in line for line in commands)

    assert "CPU" in join(address, "token").stdout
    refused = join(address, "disabled")
    assert refused.returncode and "CPU" not in refused.stdout

    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    agents = [one for one, line in started.items() if "gent" in line.split(" --")[0]]
    while any(one.alive for one in set(started) - set(agents)):  # agents ask the dead for a minute
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_free_port_is_one_that_can_be_had():
    with socket.socket() as taken:
        taken.bind(("", 0))
        port = taken.getsockname()[1]
        assert free_port(range(port, port + 3)) in (port + 1, port + 2)
        with pytest.raises(OSError, match=f"no free port from {port} to {port}"):
            free_port(range(port, port + 1))
