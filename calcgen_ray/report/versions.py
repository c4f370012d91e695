"""The versions that a result depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "calcgen-ray",
    "ray",
    "torch",
    "transformers",
    "ctranslate2",
    "sympy",
    "numpy",
    "pyarrow",
)


def versions() -> dict[str, str]:
    """Version of Python and of each core package."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
