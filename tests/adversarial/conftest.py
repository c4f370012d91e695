"""Sandboxes with every layer and with none; after each attack the same server must go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from calcgen_ray.judge import Sandbox
from calcgen_ray.judge.isolation.confinement import OPTIONAL
from calcgen_ray.judge.isolation.layers import probe

SHORT = 0.5
LONG = 30.0


@pytest.fixture(scope="session", autouse=True)
def secret() -> Iterator[None]:
    """In the environment of every sandbox's client."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_TOKEN", "hush")
        yield


@pytest.fixture(scope="session")
def isolation() -> str:
    """`strict` wherever this machine can hold it."""
    return "strict" if all(layer.on for layer in probe()) else "basic"


@pytest.fixture(scope="session")
def all_short(secret: None, isolation: str) -> Iterator[Sandbox]:
    with Sandbox(servers=1, seconds=SHORT, job_seconds=LONG, isolation=isolation) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def all_long(secret: None, isolation: str) -> Iterator[Sandbox]:
    with Sandbox(servers=1, seconds=LONG, memory_bytes=1 << 30, isolation=isolation) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def no_layers(secret: None) -> Iterator[Sandbox]:
    with Sandbox(servers=1, seconds=LONG, memory_bytes=1 << 30, without=OPTIONAL) as sandbox:
        yield sandbox


@pytest.fixture
def impatient(all_short: Sandbox) -> Iterator[Sandbox]:
    """Every layer, and a short limit, for what never ends."""
    yield from watched(all_short)


@pytest.fixture
def sandbox(all_long: Sandbox) -> Iterator[Sandbox]:
    """Every layer."""
    yield from watched(all_long)


@pytest.fixture
def strict(all_long: Sandbox, isolation: str) -> Iterator[Sandbox]:
    """Every layer, or the test is skipped."""
    if isolation != "strict":
        pytest.skip(f"layers are off here: {[one.name for one in probe() if not one.on]}")
    yield from watched(all_long)


@pytest.fixture
def bare(no_layers: Sandbox) -> Iterator[Sandbox]:
    """None of the layers that may be missing."""
    yield from watched(no_layers)


def watched(sandbox: Sandbox) -> Iterator[Sandbox]:
    pids = sandbox.pids
    yield sandbox
    [outcome] = sandbox.run(["import math\nprint(math.sqrt(16))"])
    assert (outcome.stdout, sandbox.pids) == ("4.0\n", pids), outcome
