"""A one-machine cluster's head with less around it: what a command's own workers need, no more.

Ray 2.60 starts a dashboard, an autoscaler's monitor and a log monitor with every cluster, waits for
them and for two agents, and lets them take a few per cent of a core. Nobody asks a cluster that
ends with its command.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

from ray._private import node

PORTS = range(20_000, 32_000)
"""Below those that the system gives to whoever asks for any."""


class Head(node.Node):
    """Ray's own, without the processes that serve its dashboard."""

    def __init__(self, ray_params: Any, **parts: Any) -> None:
        # An agent whose port is known is not waited for.
        ray_params.update(
            no_monitor=True,
            include_log_monitor=False,
            metrics_agent_port=free_port(),
            runtime_env_agent_port=free_port(),
        )
        super().__init__(ray_params, **parts)

    def start_api_server(self, **settings: Any) -> None:
        self._webui_url = ""


@contextmanager
def small() -> Iterator[None]:
    """While the block runs, `ray.init` starts such a head."""
    with patch.object(node, "Node", Head):
        yield


def free_port(ports: range = PORTS) -> int:
    """A port of this machine that nobody listens on, any of `ports`.

    Raises:
        OSError: there is none.
    """
    for port in random.SystemRandom().sample(ports, len(ports)):
        with suppress(OSError), socket.socket() as tried:
            tried.bind(("", port))
            return port
    raise OSError(f"no free port from {ports.start} to {ports.stop - 1}")
