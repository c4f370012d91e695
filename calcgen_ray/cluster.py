"""The Ray cluster: the one that is there, or one of this machine; what it has, what is asked."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from calcgen_ray.errors import ResourceError
from calcgen_ray.runtime import Device, cpu_count, pick_device
from calcgen_ray.storage import Mirror, is_bucket, try_out
from calcgen_ray.training_config import WorkersConfig

OBJECT_STORE_BYTES = 256 * 1024 * 1024
ROOM_SECONDS = 40.0
"""How long workers wait for other work to end before a training begins."""
SERVE_DEFAULTS = {
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # a dead proxy is missed after three checks
    "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",  # what hangs would take its whole grace
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "calcgen_ray.serving.front:middlewares",
    # From proxy to replica by gRPC, each in its process's one loop: no change of threads.
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(2**31 - 1),  # a header of 5 MiB is told 431
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
}
"""What Serve takes from the environment alone, of the processes that a cluster starts."""
TRAIN_DEFAULTS = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths of models and folders mean the driver's
}
"""What Train and Tune take from the environment of the driver."""
OWN_DEFAULTS = {
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # nobody takes this machine away
}
"""The same, on a cluster that is started on this machine for one command."""
SMALL_DEFAULTS = {
    "RAY_worker_niceness": "0",
    "RAY_enable_metrics_collection": "0",  # nobody asks for them, nor for tasks' events
    "RAY_task_events_report_interval_ms": "0",
    "REPORTER_UPDATE_INTERVAL_MS": "3600000",  # nor for processes' memory and CPU
    "MALLOC_ARENA_MAX": "1",  # a training's thread has the process's memory, no heaps of its own
}
"""What the processes of such a cluster take where it has no dashboard."""


def connect(*, dashboard: bool = True) -> None:
    """Joins the cluster that Ray's own address names, else starts one on this machine.

    Args:
        dashboard: of a cluster that is started, for `serve status` and other machines' questions.
            It takes ten processes, and a few per cent of two busy cores. Without it the cluster
            is a small one (`head.py`) and workers have the priority of this process, with it Ray's
            lower one, beside an endpoint's others.

    Raises:
        ResourceError: the named cluster does not answer.
    """
    import ray

    if ray.is_initialized():
        return
    for name, value in TRAIN_DEFAULTS.items():
        os.environ.setdefault(name, value)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if os.environ.get("RAY_ADDRESS"):  # set by `ray job submit`
        try:
            ray.init(**quiet)
        except ConnectionError as error:
            raise ResourceError(
                f"no Ray cluster at {os.environ['RAY_ADDRESS']}: {str(error).splitlines()[0]}"
            ) from None
        except ray.exceptions.AuthenticationError:
            raise ResourceError(
                f"the Ray cluster at {os.environ['RAY_ADDRESS']} does not take this token, or none "
                "was sent: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
            ) from None
        return
    from calcgen_ray.head import small

    for name, value in (OWN_DEFAULTS | (SERVE_DEFAULTS if dashboard else SMALL_DEFAULTS)).items():
        os.environ.setdefault(name, value)
    quiet |= {"num_cpus": cpu_count(), "object_store_memory": OBJECT_STORE_BYTES,
              "include_dashboard": dashboard}  # fmt: skip
    with nullcontext() if dashboard else small():
        ray.init(address="local", **quiet)


def disconnect() -> None:
    """Leaves the cluster; one that `connect` started ends."""
    import ray

    if ray.is_initialized():
        ray.shutdown()


def resources() -> dict[str, float]:
    """CPUs and GPUs of the whole cluster."""
    import ray

    found = ray.cluster_resources()
    return {"CPU": found.get("CPU", 0.0), "GPU": found.get("GPU", 0.0)}


def nodes() -> list[dict[str, float]]:
    """CPUs and GPUs of each node that is alive: a worker runs on one of them."""
    import ray

    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [{"CPU": one.get("CPU", 0.0), "GPU": one.get("GPU", 0.0)} for one in found]


def local_resources() -> dict[str, float]:
    """CPUs and GPUs that a cluster on this machine would have, without starting one."""
    import torch

    return {"CPU": float(cpu_count()), "GPU": float(torch.cuda.device_count())}


def per_worker(workers: WorkersConfig, device: Device) -> dict[str, float]:
    """What one worker reserves."""
    return {"CPU": workers.cpus, **({"GPU": 1.0} if device == "gpu" else {})}


def slots(need: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> int:
    """How many workers the nodes hold, each on one node."""
    return sum(min(int(node[kind] / each + 1e-9) for kind, each in need.items()) for node in nodes)


def fit(workers: WorkersConfig, nodes: Sequence[Mapping[str, float]]) -> Device:
    """The device of a plan that the cluster's nodes can hold.

    Raises:
        ResourceError: the arithmetic of what is asked and what there is.
    """
    device = pick_device(workers.device, sum(node["GPU"] for node in nodes))
    need = per_worker(workers, device)
    found = slots(need, nodes)
    key = "min_count" if workers.min_count else "count"
    wanted = workers.min_count or workers.count
    if found < wanted:
        kind = min(need, key=lambda kind: slots({kind: need[kind]}, nodes))
        each, there = need[kind], [node[kind] for node in nodes]
        raise ResourceError(
            f"workers.{key}={wanted} x {each:g} {kind} = {wanted * each:g} {kind}, "
            f"but the cluster has {sum(there):g}, its largest node {max(there, default=0):g}: "
            f"{found} fit; lower workers.{key} or workers.cpus, or add nodes"
        )
    return device


def free() -> list[dict[str, float]]:
    """CPUs and GPUs of each node that nothing has reserved."""
    from ray._private.state import available_resources_per_node

    found = available_resources_per_node().values()
    return [{"CPU": one.get("CPU", 0.0), "GPU": one.get("GPU", 0.0)} for one in found]


def await_room(
    workers: WorkersConfig,
    device: Device,
    say: Callable[[str], None],
    seconds: float = ROOM_SECONDS,
) -> None:
    """Waits until the workers fit in what is free now: what was killed is given back in seconds.

    Args:
        say: is told once that it waits, and for what.

    Raises:
        ResourceError: they do not after `seconds`, where Ray would wait without end.
    """
    need, told, deadline = per_worker(workers, device), False, time.monotonic() + seconds
    key = "min_count" if workers.min_count else "count"
    wanted = workers.min_count or workers.count
    each = " and ".join(f"{amount:g} {kind}" for kind, amount in need.items())
    while (found := slots(need, free())) < wanted:
        if time.monotonic() > deadline:
            raise ResourceError(
                f"workers.{key}={wanted} x {each}: the cluster is busy, for {seconds:.0f} s only "
                f"{found} fit in what is free; end other work (`calcgen jobs`), lower "
                f"workers.{key}, or ask again later"
            )
        if not told:
            number = "1 worker" if wanted == 1 else f"{wanted} workers"
            say(f"waiting for room for {number} of {each}: {found} fit in what is free")
            told = True
        time.sleep(1.0)


def try_storage(storage: str, seconds: float = 60.0) -> None:
    """Lets each node that may train read and write the storage; nothing on a cluster of one node.

    Raises:
        ResourceError: the node that does not see it, and why.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive = [node for node in ray.nodes() if node["Alive"] and _trains(node["Resources"])]
    if len(alive) < 2 and not is_bucket(storage):
        return
    token = f".probe-{uuid.uuid4().hex[:12]}"
    with _probing(storage, token) as missing:
        task = ray.remote(num_cpus=0, max_retries=0)(try_out)
        asked = {}
        for node in alive:
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            where = task.options(scheduling_strategy=strategy)
            asked[node["NodeID"]] = where.remote(storage, token, node["NodeID"])
        for node in alive:
            why = _answer(asked[node["NodeID"]], seconds) or missing(node["NodeID"])
            if why:
                name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
                raise ResourceError(
                    f"run.storage: node {name} {why}: {storage}; name a folder that all nodes "
                    "share, or s3://bucket/runs"
                )


def _trains(resources: Mapping[str, float]) -> bool:
    return resources.get("CPU", 0) > 0 or resources.get("GPU", 0) > 0


def _answer(reference: Any, seconds: float) -> str:
    import ray

    try:
        found: str = ray.get(reference, timeout=seconds)
    except ray.exceptions.GetTimeoutError:
        return f"did not answer within {seconds:g} s"
    except ray.exceptions.RayError as error:
        return f"failed: {str(error).strip().splitlines()[-1]}"
    return f"cannot use it: {found}" if found else ""


@contextmanager
def _probing(storage: str, token: str) -> Iterator[Callable[[str], str]]:
    """Writes a token for the nodes to find; gives who tells what is missing of a node's answer."""
    mirror = Mirror(storage, "probe") if is_bucket(storage) else None
    root = mirror.root if mirror else Path(storage)
    root.mkdir(parents=True, exist_ok=True)
    (root / token).write_text("")
    try:
        if mirror:
            mirror.push(root / token)
        yield lambda node: "" if _there(mirror, root / f"{token}-{node}") else "writes elsewhere"
    except OSError as error:
        raise ResourceError(f"run.storage: {storage}: {str(error).splitlines()[0]}") from None
    finally:
        for path in root.glob(f"{token}*"):
            path.unlink(missing_ok=True)
        if mirror:
            with suppress(OSError):
                mirror.sweep(token)


def _there(mirror: Mirror | None, path: Path) -> bool:
    return mirror.has(path) if mirror else path.exists()
