"""What a local cluster is made of: its ports, its commands, its environment."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from calcgen_ray.cluster import SERVE_DEFAULTS
from calcgen_ray.errors import ResourceError

MARKER = "CALCGEN_LOCAL_CLUSTER"
"""Environment variable by which every process of a cluster is known: it is inherited."""
NODE_MARKER = "CALCGEN_LOCAL_NODE"
"""And this one tells of which of its nodes."""
DEFAULT_PORT = 24300
MAX_WORKERS = 16
HEAD_PORTS, PORTS_PER_NODE = 5, 100
OBJECT_STORE_BYTES = 256 * 1024 * 1024
MAX_SOCKET_BYTES = 107
SOCKET_TAIL = "/worker-16/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.16"
NODE_FLAGS = (
    "--node-manager-port", "--object-manager-port", "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port", "--metrics-export-port", "--runtime-env-agent-port",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """One head without CPUs and `workers` nodes with `cpus` each, on ports from `port` on."""

    workers: int = 2
    cpus: int = 1
    port: int = DEFAULT_PORT

    def __post_init__(self) -> None:
        """Raises ResourceError for what Ray could not start."""
        if not 1 <= self.workers <= MAX_WORKERS:
            raise ResourceError(f"workers: {self.workers} is not from 1 to {MAX_WORKERS}")
        if not 1 <= self.cpus <= 1024:
            raise ResourceError(f"cpus: {self.cpus} is not from 1 to 1024")
        highest = 65535 - len(self.ports)
        if not 1024 <= self.port <= highest:
            raise ResourceError(f"port: {self.port} is not from 1024 to {highest}")

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes, the head first."""
        return ("head", *(f"worker-{i}" for i in range(1, self.workers + 1)))

    @property
    def ports(self) -> range:
        """All ports that the cluster may use: five of the head, then a hundred for each node."""
        return range(self.port, self.port + HEAD_PORTS + PORTS_PER_NODE * (1 + self.workers))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    def command(self, name: str, temp: Path) -> list[str]:
        """`ray start` for one node, which runs until it is told to end."""
        first = self.port + HEAD_PORTS + PORTS_PER_NODE * self.names.index(name)
        role = self._head_flags() if name == "head" else {"--address": self.address}
        flags = {
            **role,
            **{flag: str(first + i) for i, flag in enumerate(NODE_FLAGS)},
            "--min-worker-port": str(first + len(NODE_FLAGS)),
            "--max-worker-port": str(first + PORTS_PER_NODE - 1),
            "--num-cpus": "0" if name == "head" else str(self.cpus),
            "--num-gpus": "0",  # each node would take all of this machine's for its own
            "--object-store-memory": str(OBJECT_STORE_BYTES),
            "--node-name": name,
            "--temp-dir": str(temp / name),
        }
        start = [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--block"]
        head = ["--head", "--disable-usage-stats"] if name == "head" else []
        return [*start, *head, *(part for pair in flags.items() for part in pair)]

    def _head_flags(self) -> dict[str, str]:
        return {
            "--port": str(self.port),
            "--dashboard-port": str(self.port + 1),
            "--ray-client-server-port": str(self.port + 2),
            "--include-dashboard": "true",  # jobs are submitted to it
        }


def environment(
    base: Mapping[str, str], plan: Plan, ident: str, token: Path | None
) -> dict[str, str]:
    """What the nodes run with. Without `token` the cluster is open to all who reach its ports."""
    programs = str(Path(sys.executable).parent)  # jobs say `calcgen`, in no activated environment
    ours = {
        MARKER: ident,
        "PATH": os.pathsep.join(part for part in (programs, base.get("PATH")) if part),
        "AUTOSCALER_METRIC_PORT": str(plan.port + 3),
        "DASHBOARD_METRIC_PORT": str(plan.port + 4),
        "RAY_AUTH_MODE": "token" if token else "disabled",
        **({"RAY_AUTH_TOKEN_PATH": str(token)} if token else {}),
    }
    # An address would be joined, and a token in the environment goes before the file's.
    rest = {k: v for k, v in base.items() if k not in {"RAY_ADDRESS", "RAY_AUTH_TOKEN"}}
    return {**SERVE_DEFAULTS, **rest, **ours}


def temp_folder(ident: str) -> Path:
    """Where Ray keeps sockets and logs, short enough for a Unix socket's name.

    Raises:
        ResourceError: even the shortest is too long.
    """
    for root in (tempfile.gettempdir(), "/tmp"):
        folder = Path(root) / f"calcgen-{ident}"
        if len(os.fsencode(folder)) + len(SOCKET_TAIL) <= MAX_SOCKET_BYTES:
            return folder
    limit = MAX_SOCKET_BYTES - len(SOCKET_TAIL)
    raise ResourceError(f"temporary folder: {folder} has more than {limit} bytes; set TMPDIR=/tmp")


def check_free(plan: Plan) -> None:
    """Raises ResourceError where a port of the plan is in use, and names a place that is free."""
    if not (used := taken(plan.ports)):
        return
    size = len(plan.ports)
    starts = range(plan.port + size, 32000 - size, size)
    free = next((s for s in starts if not taken(range(s, s + size))), None)
    hint = f"--port {free} is free" if free else "give another start with --port"
    raise ResourceError(
        f"port {used[0]}: in use by another program, and {plan.ports[0]} to {plan.ports[-1]} are "
        f"needed; {hint}"
    )


def taken(ports: Iterable[int]) -> list[int]:
    """Those of the ports on which something listens."""
    return [port for port in ports if not _binds(port)]


def _binds(port: int) -> bool:
    with socket.socket() as probe:
        # A connection that was just closed leaves its port waiting, which stops no listener.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
