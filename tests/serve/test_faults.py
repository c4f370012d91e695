"""The endpoint while its processes die, hang and are replaced, on a real Ray Serve.

Each in a short form; `make soak` runs the long ones.
"""

import contextlib
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import ray

from calcgen_ray.serving import driver
from tests.serve.conftest import actors, await_true
from tests.serve.traffic import Traffic

pytestmark = pytest.mark.serve

REPLICA = "ServeReplica:calcgen:Sampler"
LONG = pytest.mark.soak


@pytest.fixture
def two(url, args):
    """The endpoint with two replicas, then as it was."""
    port = int(url.rpartition(":")[2])
    driver.start(args.model_copy(update={"replicas": 2}), port=port)
    assert await_true(lambda: len(actors(REPLICA)) == 2, 60)
    yield url
    driver.start(args, port=port)
    await_true(lambda: len(actors(REPLICA)) == 1, 60)


def whole_without(killed):
    """Whether there are two replicas, of which this process is none."""
    found = actors(REPLICA)
    return len(found) == 2 and killed not in found


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=LONG)])
def test_a_replica_that_dies_takes_only_what_it_held(two, kills):
    with Traffic(two) as traffic:
        for _ in range(kills):
            time.sleep(2)
            killed = actors(REPLICA)[0]
            os.kill(killed, signal.SIGKILL)
            assert await_true(partial(whole_without, killed), 60)
            time.sleep(3)
    print(f"{len(traffic.good)} answered, {len(traffic.failed)} failed")
    assert not traffic.wrong
    assert len(traffic.failed) <= len(traffic.threads) * kills
    assert len(traffic.failed) <= max(len(traffic.threads), 0.02 * len(traffic.good))


def engines():
    """The replicas' engines, which are processes of their own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"calcgen_ray.generate.program" in path.read_bytes():
                parent = (path.parent / "stat").read_text().rpartition(")")[2].split()[1]
                found += [int(path.parent.name)] if int(parent) in actors(REPLICA) else []
    return found


def test_an_engine_that_dies_is_started_again_in_its_replica(url):
    [replica], [engine] = actors(REPLICA), engines()
    with Traffic(url, 2, pause=0.05) as traffic:
        time.sleep(1)
        killed = time.monotonic()
        os.kill(engine, signal.SIGKILL)
        assert await_true(lambda: any(at > killed + 0.5 for at in traffic.good), 30)
        time.sleep(1)
    assert not traffic.wrong and len(traffic.failed) <= 2  # one each, which it held
    assert actors(REPLICA) == [replica] and engines() != [engine]


def test_requests_go_on_without_the_controller(url):
    with Traffic(url, 2) as traffic:
        time.sleep(1)
        [controller] = actors("ServeController")
        os.kill(controller, signal.SIGKILL)
        assert await_true(lambda: actors("ServeController") not in ([], [controller]), 60)
        time.sleep(2)
    assert traffic.good and not traffic.failed and not traffic.wrong


def test_a_proxy_that_dies_comes_back(url):
    with Traffic(url, 2, pause=0.05) as traffic:
        time.sleep(1)
        [proxy] = actors("ProxyActor")
        killed = time.monotonic()
        os.kill(proxy, signal.SIGKILL)
        assert await_true(lambda: any(at > killed + 1 for at in traffic.good), 60)
        time.sleep(1)
    gap = min(at for at in traffic.good if at > killed + 0.2) - killed
    print(f"back after {gap:.1f} s")
    assert not traffic.wrong


def stop(replica):
    os.kill(replica, signal.SIGSTOP)


def block(replica):
    """Its event loop, from within: the process lives and its other threads go on."""
    for told in ray.util.list_named_actors(all_namespaces=True):
        if told["name"].startswith("SERVE_REPLICA::calcgen#Sampler#"):
            actor = ray.get_actor(told["name"], told["namespace"])
            if ray.get(actor.__ray_call__.remote(lambda _: os.getpid())) == replica:
                actor.__ray_call__.remote(lambda _: time.sleep(600))
                return
    raise AssertionError(f"no actor in process {replica}")


@pytest.mark.parametrize("hang", [block, pytest.param(stop, marks=LONG)])
def test_a_replica_that_hangs_is_replaced(two, hang):
    """Within 45 s; by Serve's own settings a blocked loop may live for 18 minutes."""
    hung = actors(REPLICA)[0]
    hang(hung)
    begin = time.monotonic()
    try:
        assert await_true(lambda: hung not in actors(REPLICA), 45)
    finally:
        if hung in actors(REPLICA):
            os.kill(hung, signal.SIGKILL)
    print(f"{hang.__name__}: gone after {time.monotonic() - begin:.0f} s")
    assert await_true(lambda: len(actors(REPLICA)) == 2, 60)
    assert Traffic(two).right


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=LONG)])
@pytest.mark.timeout(1800)
def test_an_update_and_a_scale_down_lose_nothing(url, args, rounds):
    """Twice as many replicas, then half of them, with other settings: nobody notices."""
    port = int(url.rpartition(":")[2])
    with Traffic(url, 3, pause=0.1) as traffic:
        for number in range(rounds):
            more = {"replicas": 2, "max_queued_requests": 64 + number}
            driver.start(args.model_copy(update=more), port=port)
            driver.start(args, port=port)
            await_true(lambda: len(actors(REPLICA)) == 1, 60)
    assert len(traffic.good) > 20 * rounds
    assert not traffic.failed and not traffic.wrong


@LONG
@pytest.mark.timeout(600)
def test_replicas_come_with_the_load_and_go_without_it(url, args):
    port = int(url.rpartition(":")[2])
    driver.start(args.model_copy(update={"max_replicas": 2}), port=port)
    try:
        begin = time.monotonic()
        with Traffic(url, 24) as traffic:
            assert await_true(lambda: len(actors(REPLICA)) == 2, 120)
            up, begin = time.monotonic() - begin, time.monotonic()
        assert await_true(lambda: len(actors(REPLICA)) == 1, 300)
        print(f"a second replica after {up:.0f} s, gone {time.monotonic() - begin:.0f} s later")
        assert traffic.good and not traffic.failed and not traffic.wrong
    finally:
        driver.start(args, port=port)
