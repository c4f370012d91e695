"""What is known of a running cluster: `cluster.json` in its folder."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from calcgen_ray.errors import ResourceError
from calcgen_ray.local_cluster.plan import Plan
from calcgen_ray.local_cluster.processes import Process

STATE, LOCK, TOKEN = "cluster.json", ".lock", "token"


@dataclass(frozen=True, slots=True)
class State:
    """`nodes` are the `ray start` processes by name; `token` is a file, None for no token."""

    ident: str
    plan: Plan
    temp: Path
    token: Path | None
    nodes: dict[str, Process] = field(default_factory=dict)

    @property
    def alive(self) -> list[str]:
        """Names of the nodes whose process runs."""
        return [name for name, process in self.nodes.items() if process.alive]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of whoever connects."""
        auth = {"RAY_AUTH_MODE": "token" if self.token else "disabled"}
        path = {"RAY_AUTH_TOKEN_PATH": str(self.token)} if self.token else {}
        return {"RAY_ADDRESS": self.plan.address, **auth, **path}


def write(folder: Path, state: State) -> None:
    """Replaces the file as a whole."""
    record = {
        "version": 1,
        "ident": state.ident,
        "plan": asdict(state.plan),
        "ports": [state.plan.ports[0], state.plan.ports[-1]],
        "address": state.plan.address,
        "dashboard": state.plan.dashboard,
        "temp": str(state.temp),
        "token": str(state.token) if state.token else None,
        "nodes": {name: asdict(process) for name, process in state.nodes.items()},
    }
    draft = folder / f".{STATE}"
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(record, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, folder / STATE)


def read(folder: Path) -> State | None:
    """The state in a folder; None where no cluster was started or it was ended.

    Raises:
        ResourceError: the file is not one of ours.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text("utf-8"))
        return State(
            ident=str(record["ident"]),
            plan=Plan(**record["plan"]),
            temp=Path(record["temp"]),
            token=Path(record["token"]) if record["token"] else None,
            nodes={name: Process(**process) for name, process in record["nodes"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResourceError(
            f"{path}: cannot be read ({error!r}); end the processes by hand and remove it"
        ) from None


def write_token(path: Path, token: str) -> None:
    """A new file that only its owner reads."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(token)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One `up` or `down` at a time.

    Raises:
        ResourceError: another is at work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ResourceError(f"{folder}: another up or down is at work there") from None
        yield
