"""Bringing an endpoint up and down from this process."""

from __future__ import annotations

import logging
import re
import socket
import time
from typing import Any

from calcgen_ray import cluster
from calcgen_ray.errors import InputError, ResourceError, ServeError
from calcgen_ray.serving.access import LOCAL_HOSTS
from calcgen_ray.serving.app import APP_NAME, build
from calcgen_ray.serving.args import ServeArgs

POLL_SECONDS = 0.1

_up: list[tuple[str, int]] = []
"""Host and port of the endpoint that this process has up: at most one."""


def start(
    args: ServeArgs, host: str = "127.0.0.1", port: int = 8000, deadline: float = 120.0
) -> str:
    """Deploys and waits until `/health` answers; returns the URL.

    A second call with the same host and port replaces what is served. Starts a Ray cluster on this
    machine if the process has joined none.

    Args:
        deadline: seconds.

    Raises:
        InputError: the port is in use, there is nothing to serve, or strangers could ask.
        ResourceError: the cluster has fewer CPUs or GPUs than the replicas ask for.
        ServeError: it did not come up; one line says why.
    """
    if host not in LOCAL_HOSTS and args.keys_file is None and not args.open:
        raise InputError(
            f"serve.host: {host} opens the endpoint to the network; set serve.keys_file to a file "
            "with a key on each line, or serve.host to 127.0.0.1"
        )
    _check_port(host, port)
    cluster.connect()
    _check_resources(args)
    return deploy(build(args), host, port, deadline)


def deploy(app: Any, host: str = "127.0.0.1", port: int = 8000, deadline: float = 120.0) -> str:
    """The same for an application of any kind that has `/health`.

    Raises:
        InputError: the port is in use.
        ServeError: it did not come up; one line says why.
    """
    _check_port(host, port)
    cluster.connect()
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    end = time.monotonic() + deadline
    try:
        _deploy(app, host, port)
        _up[:] = [(host, port)]
        url = url_of(host, port)
        _await_running(end, deadline)
        _await_health(url, end, deadline)
    except BaseException as error:
        stop()
        if isinstance(error, ServeError) or not isinstance(error, Exception):
            raise
        raise ServeError(f"the endpoint did not come up: {_last_line(str(error))}") from None
    return url


def stop() -> None:
    """Takes the endpoint down; the cluster stays. Does nothing if there is none."""
    import ray
    from ray import serve

    _up.clear()
    if ray.is_initialized():
        serve.shutdown()


def url_of(host: str, port: int) -> str:
    """Where an endpoint that listens on `host` is asked from this machine."""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _deploy(app: Any, host: str, port: int) -> None:
    from ray import serve

    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": host, "port": port},
        logging_config={"enable_access_log": False},
    )
    target = serve.RunTarget(app, name=APP_NAME, route_prefix="/")
    serve.run_many([target], wait_for_applications_running=False)


def _check_port(host: str, port: int) -> None:
    if (host, port) in _up:
        return
    if _up:
        raise InputError(
            f"serve.port: this process serves on port {_up[0][1]} already; stop that endpoint first"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"serve.port: cannot listen on {host}:{port} ({error.strerror}); stop what uses "
                "it, or set serve.port"
            ) from None


def _check_resources(args: ServeArgs) -> None:
    has = cluster.resources()
    for kind, each in (("CPU", args.cpus), ("GPU", args.gpus)):
        wanted = args.replicas * each
        if wanted > has[kind]:
            raise ResourceError(
                f"serve.replicas={args.replicas} x {each:g} {kind} = {wanted:g} {kind}, but the "
                f"cluster has {has[kind]:g}; lower serve.replicas or add nodes"
            )


def _await_running(end: float, deadline: float) -> None:
    from ray import serve

    state, told = "", ""
    while time.monotonic() < end:
        found = serve.status().applications.get(APP_NAME)
        if found is not None:
            state = found.status.value
            told = " ".join([found.message, *(d.message for d in found.deployments.values())])
        if state == "RUNNING":
            return
        if state in ("DEPLOY_FAILED", "UNHEALTHY"):
            raise ServeError(f"the endpoint did not come up: {_last_line(told)}")
        time.sleep(POLL_SECONDS)
    raise ServeError(
        f"the endpoint was not up after {deadline:g} s ({state or 'no status'}): {_last_line(told)}"
    )


def _await_health(url: str, end: float, deadline: float) -> None:
    import httpx

    status = "no answer"
    while time.monotonic() < end:
        try:
            code = httpx.get(f"{url}/health", timeout=5.0, trust_env=False).status_code
            if code == 200:
                return
            status = f"status {code}"
        except httpx.HTTPError as error:
            status = type(error).__name__
        time.sleep(POLL_SECONDS)
    raise ServeError(f"{url}/health: {status} after {deadline:g} s")


def _last_line(text: str) -> str:
    """What a long message with a traceback comes down to."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line.split(":")[0]] or lines or ["no reason told"]
    return re.sub(r"^(\w+\.)+(?=\w+:)", "", told[-1])[:300]
