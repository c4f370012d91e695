"""Ports, commands and environment of a local cluster, before anything is started."""

import os
import shutil
import socket
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest

from calcgen_ray.errors import ResourceError
from calcgen_ray.local_cluster import plan as plans
from calcgen_ray.local_cluster.plan import Plan

TEMP = Path("/tmp/calcgen-00000000")


def flags(name, **changes):
    command = Plan(**changes).command(name, TEMP)
    return {a: b for a, b in pairwise(command) if a.startswith("--")}


def test_no_port_is_given_twice():
    plan = Plan(workers=3)
    seen = []
    for name in plan.names:
        given = flags(name, workers=3)
        seen += [int(v) for k, v in given.items() if k.endswith("port") and "worker" not in k]
        low, high = int(given["--min-worker-port"]), int(given["--max-worker-port"])
        assert high - low > 50
        seen += range(low, high + 1)
    metrics = plans.environment({}, plan, "x", None)
    seen += [int(metrics["AUTOSCALER_METRIC_PORT"]), int(metrics["DASHBOARD_METRIC_PORT"])]
    assert len(seen) == len(set(seen)) and set(seen) == set(plan.ports)


def test_the_head_takes_no_work_and_the_workers_join_it():
    head, worker = flags("head"), flags("worker-2", cpus=3)
    assert head["--num-cpus"] == "0" and head["--include-dashboard"] == "true"
    assert "--head" in Plan().command("head", TEMP)
    assert worker["--address"] == Plan().address and worker["--num-cpus"] == "3"
    assert worker["--temp-dir"] == f"{TEMP}/worker-2"
    assert all("--block" in Plan().command(name, TEMP) for name in Plan().names)


def test_the_environment_holds_one_token_and_no_foreign_address():
    base = {"RAY_ADDRESS": "elsewhere:1", "RAY_AUTH_TOKEN": "other", "HOME": "/h"}
    ours = plans.environment(base, Plan(), "abc", Path("/t/token"))
    assert ours["RAY_AUTH_MODE"] == "token" and ours["RAY_AUTH_TOKEN_PATH"] == "/t/token"
    assert ours[plans.MARKER] == "abc" and ours["HOME"] == "/h"
    assert shutil.which("calcgen", path=ours["PATH"])
    assert "RAY_ADDRESS" not in ours and "RAY_AUTH_TOKEN" not in ours
    assert plans.environment(base, Plan(), "abc", None)["RAY_AUTH_MODE"] == "disabled"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"workers": 0}, "workers: 0 is not from 1 to 16"),
        ({"workers": 17}, "workers: 17"),
        ({"cpus": 0}, "cpus: 0"),
        ({"port": 80}, "port: 80 is not from 1024"),
        ({"port": 65500}, "port: 65500"),
    ],
)
def test_what_ray_could_not_start_is_refused(values, says):
    with pytest.raises(ResourceError, match=says):
        Plan(**values)


def test_a_taken_port_is_named_with_one_that_is_free(monkeypatch):
    with socket.socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert plans.taken([port]) == [port]
        monkeypatch.setattr(plans, "taken", lambda ports: [port] if port in ports else [])
        with pytest.raises(ResourceError, match=rf"port {port}: in use.*--port"):
            plans.check_free(Plan(port=port - 2))
    plans.check_free(Plan(port=20000))


def test_sockets_have_names_that_unix_takes(monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")
    assert plans.temp_folder("12345678") == Path("/tmp/calcgen-12345678")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/a" * 40)
    folder = plans.temp_folder("12345678")
    assert folder == Path("/tmp/calcgen-12345678")
    assert len(os.fsencode(f"{folder}{plans.SOCKET_TAIL}")) <= 107
    with pytest.raises(ResourceError, match="TMPDIR"):
        plans.temp_folder("1" * 60)
