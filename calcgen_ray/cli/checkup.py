"""What `calcgen doctor` tries: storage, memory, ports, token, registry, sandbox; and what helps."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from calcgen_ray.errors import CalcgenError
from calcgen_ray.jobs import token
from calcgen_ray.judge.isolation.layers import Layer
from calcgen_ray.registry.store import Registry
from calcgen_ray.storage import Mirror, is_bucket

SERVE, DASHBOARD = 8000, 8265
LEAST_DISK, LEAST_MEMORY = 5, 6
"""GiB, below which `make demo` may not come to its end."""
GIB = 2**30
NAMESPACES = (
    "let users make namespaces: sysctl user.max_user_namespaces above 0, on Debian "
    "kernel.unprivileged_userns_clone=1, on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; "
    "in a container also a seccomp profile that allows unshare and mount"
)
REMEDIES = {
    **dict.fromkeys(
        ("user namespace", "network namespace", "IPC namespace", "mount namespace",
         "private folder", "PID namespace", "capabilities"), NAMESPACES,
    ),
    "Landlock": "take a kernel of 5.13 or newer, with landlock in /sys/kernel/security/lsm",
    "seccomp": "take a kernel with CONFIG_SECCOMP_FILTER, and x86-64 or arm64",
}  # fmt: skip
"""Of the sandbox's layers; the others need nothing but Linux."""


@dataclass(frozen=True, slots=True)
class Check:
    """`found` says what there is; `remedy` what to do, "" where nothing needs to be done."""

    name: str
    found: str
    remedy: str = ""


def checkup(storage: str, environment: Mapping[str, str]) -> list[Check]:
    """Every check, each by itself: what fails in one stops none of the others."""
    return [
        _bucket(storage) if is_bucket(storage) else _folder(Path(storage)),
        _memory(),
        *_ports(),
        _token(environment),
        *([] if is_bucket(storage) else [_registry(Path(storage))]),
    ]


def remedy_of(layer: Layer) -> str:
    """What brings back a layer of the sandbox that does not hold; "" where it holds."""
    if layer.on:
        return ""
    return REMEDIES.get(layer.name, "needs Linux; there, report it with this output")


def _folder(storage: Path) -> Check:
    there = next(p for p in (storage.absolute(), *storage.absolute().parents) if p.is_dir())
    try:
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(b"x")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return Check("storage", f"{storage}: {error.strerror}", "name another run.storage")
    free = shutil.disk_usage(there).free / GIB
    remedy = f"free some: less than {LEAST_DISK} GiB" if free < LEAST_DISK else ""
    return Check("storage", f"{storage}: can be written, {free:.0f} GiB free", remedy)


def _bucket(uri: str) -> Check:
    try:
        Mirror(uri, "doctor").check()
    except CalcgenError as error:
        return Check("storage", str(error), "check the URI, its keys and its region")
    return Check("storage", f"{uri}: written and read")


def _memory() -> Check:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        known = {line.split(":")[0]: int(line.split()[1]) / 2**20 for line in lines}
        total, free = known["MemTotal"], known["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):
        return Check("memory", "not known on this system")
    remedy = f"end other programs: less than {LEAST_MEMORY} GiB" if free < LEAST_MEMORY else ""
    return Check("memory", f"{free:.1f} of {total:.1f} GiB free", remedy)


def _ports() -> Iterator[Check]:
    for name, port, remedy in (
        ("endpoint's port", SERVE, "set serve.port, where that is not an endpoint of yours"),
        ("dashboard's port", DASHBOARD, ""),
    ):
        with socket.socket() as probe:
            probe.settimeout(1.0)
            used = probe.connect_ex(("127.0.0.1", port)) == 0
        state = f"{port}: {'in use' if used else 'free'}"
        yield Check(name, state, remedy if used else "")


def _token(environment: Mapping[str, str]) -> Check:
    mode = environment.get("RAY_AUTH_MODE", "")
    try:
        found = token.find(environment, Path.home())
    except CalcgenError as error:
        return Check("Ray's token", str(error), "mend the file, or unset its variable")
    if found is None:
        said = "switched off" if mode == "disabled" else "none; Ray makes one for its own clusters"
        return Check("Ray's token", said)
    remedy = "" if mode == "token" else "set RAY_AUTH_MODE=token to use it on a named cluster"
    return Check("Ray's token", f"of {found.source}, RAY_AUTH_MODE={mode or 'not set'}", remedy)


def _registry(storage: Path) -> Check:
    registry = Registry(storage / "registry")
    try:
        if not registry.live_id():
            return Check("registry", f"{registry.root}: nothing promoted yet")
        return Check("registry", f"{registry.live().id} is live and verifies")
    except CalcgenError as error:
        return Check("registry", str(error), "promote another checkpoint")
