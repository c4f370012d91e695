"""Starting a local cluster, looking at it, ending it: it and nothing else."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from calcgen_ray.errors import ResourceError, RunError
from calcgen_ray.local_cluster import plan as plans
from calcgen_ray.local_cluster import processes, state
from calcgen_ray.local_cluster.plan import Plan
from calcgen_ray.local_cluster.processes import Process
from calcgen_ray.local_cluster.state import State

START_SECONDS = 180.0
GRACE_SECONDS, ORPHAN_SECONDS, HEAD_SECONDS = 15.0, 2.0, 3.0
"""Of a worker, of one without a head, of a head: where something runs, all of it is taken."""


def up(folder: Path, plan: Plan, *, token: bool = True, seconds: float = START_SECONDS) -> State:
    """Starts the cluster, or returns the one that already runs in that folder.

    Of one that runs, workers that died are started anew.

    Raises:
        ResourceError: ports are taken, or this machine cannot do it.
        RunError: it was not whole in time; what had been started is ended again.
    """
    folder = folder.expanduser().resolve()
    if not processes.PROC.joinpath("self/stat").is_file():
        raise ResourceError("a local cluster needs Linux: there is no /proc on this machine")
    with state.locked(folder):
        found, deadline = state.read(folder), time.monotonic() + seconds
        if found and "head" in found.alive:
            return _repair(folder, found, deadline)
        if found:
            _end(folder, found)
        plans.check_free(plan)
        return _start(folder, _prepare(folder, plan, token), deadline)


def down(folder: Path) -> bool:
    """Ends the cluster of that folder; False where there is none.

    Raises:
        RunError: a process could not be ended.
    """
    folder = folder.expanduser().resolve()
    if state.read(folder) is None:
        return False
    with state.locked(folder):
        found = state.read(folder)
        if found:
            _end(folder, found)
    return found is not None


def live_nodes(running: State) -> list[str]:
    """Names of the nodes that Ray's head says are alive; none while it does not answer."""
    headers = {}
    try:
        if running.token:
            headers["Authorization"] = f"Bearer {running.token.read_text().strip()}"
        url = f"{running.plan.dashboard}/api/v0/nodes"
        answer = httpx.get(url, headers=headers, timeout=10.0, trust_env=False)
        nodes = answer.raise_for_status().json()["data"]["result"]["result"]
    except (OSError, httpx.HTTPError, ValueError, KeyError, TypeError):
        return []
    return sorted(node["node_name"] for node in nodes if node["state"] == "ALIVE")


def _prepare(folder: Path, plan: Plan, token: bool) -> State:
    ident = secrets.token_hex(4)
    path = folder / state.TOKEN if token else None
    if path:
        state.write_token(path, secrets.token_hex(32))
    fresh = State(ident, plan, plans.temp_folder(ident), path)
    state.write(folder, fresh)
    fresh.temp.mkdir(mode=0o700)
    return fresh


def _start(folder: Path, running: State, deadline: float) -> State:
    """Head first: a worker gives up when it finds none."""
    try:
        running = _launch(folder, running, running.plan.names[:1])
        _until(lambda: _answers(running.plan.port), folder, running, deadline)
        running = _launch(folder, running, running.plan.names[1:])
        names = set(running.plan.names)
        _until(lambda: names <= set(live_nodes(running)), folder, running, deadline)
    except BaseException:
        _end(folder, state.read(folder) or running)
        raise
    return running


def _repair(folder: Path, running: State, deadline: float) -> State:
    """Starts the workers that died, once the head knows of it."""
    dead = [name for name in running.plan.names if name not in running.alive]
    if not dead:
        return running
    for name in dead:
        processes.kill_node(running.ident, name)
    _until(lambda: not set(dead) & set(live_nodes(running)), folder, running, deadline, dead)
    running = _launch(folder, running, dead)
    names = set(running.plan.names)
    _until(lambda: names <= set(live_nodes(running)), folder, running, deadline)
    return running


def _launch(folder: Path, running: State, names: Sequence[str]) -> State:
    """Each in a session of its own, so that Ctrl-C in this terminal does not reach it.

    Its working directory is this process's: jobs without one of their own read and write there.
    """
    environment = plans.environment(os.environ, running.plan, running.ident, running.token)
    for name in names:
        (running.temp / name).mkdir(exist_ok=True)
        with (folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                running.plan.command(name, running.temp),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**environment, plans.NODE_MARKER: name}, start_new_session=True,
            )  # fmt: skip
        process = processes.identify(child.pid) or Process(child.pid, "ended")
        running = replace(running, nodes={**running.nodes, name: process})
        state.write(folder, running)
    return running


def _until(
    done: Callable[[], bool],
    folder: Path,
    running: State,
    deadline: float,
    known: Sequence[str] = (),
) -> None:
    """Waits; `known` are nodes that are dead already."""
    while not done():
        ended = [name for name in running.nodes if name not in {*running.alive, *known}]
        if ended:
            log = folder / f"{ended[0]}.log"
            raise RunError(f"{ended[0]}: ended while starting: {_last_line(log)}; see {log}")
        if time.monotonic() > deadline:
            there = ", ".join(live_nodes(running)) or "none"
            raise RunError(
                f"cluster: not whole in time; alive: {there} of {', '.join(running.plan.names)}; "
                f"see the logs in {folder}"
            )
        time.sleep(0.3)


def _end(folder: Path, running: State) -> None:
    head = running.nodes.get("head")
    workers = [process for name, process in running.nodes.items() if name != "head"]
    # Without a head a worker waits for it, and does not end by itself.
    grace = GRACE_SECONDS if head and head.alive else ORPHAN_SECONDS
    stages = [(workers, grace), ([head] if head else [], HEAD_SECONDS)]
    processes.end(running.ident, stages)
    if left := processes.family(running.ident, running.nodes.values()):
        raise RunError(f"process {min(p.pid for p in left)}: does not end; end it by hand")
    if running.temp.name == f"calcgen-{running.ident}":  # else the file was changed by hand
        shutil.rmtree(running.temp, ignore_errors=True)
    (folder / state.TOKEN).unlink(missing_ok=True)
    (folder / state.STATE).unlink(missing_ok=True)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it wrote nothing")
