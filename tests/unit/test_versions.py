"""What is pinned is not below the versions that closed holes which reach this package."""

from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[2]
FLOORS = {
    "torch": "2.10",  # code in pickles that weights_only lets through
    "ray": "2.54",  # requests of foreign pages to the dashboard
    "fastapi": "0.109.1", "starlette": "0.49.1",  # forms and ranges that take all of a core
    "h11": "0.16", "transformers": "5.0",
}  # fmt: skip


@pytest.mark.parametrize("name", FLOORS)
def test_pinned_above_the_floor(name):
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    assert Version(pinned[name]) >= Version(FLOORS[name])
