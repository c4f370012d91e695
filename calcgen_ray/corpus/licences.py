"""The licence and the version of an installed package, by the name that it is imported by."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from functools import cache
from typing import Any

UNKNOWN = "unknown"


def licence_of(package: str) -> str:
    """What its metadata says of its licence in one line; "unknown" where it is no package."""
    try:
        metadata: Any = importlib.metadata.metadata(distribution_of(package))
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN
    text = str(metadata.get("License-Expression") or metadata.get("License") or "").strip()
    if text and "\n" not in text:
        return text
    kinds = [c for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    return kinds[-1].rpartition(" :: ")[2] if kinds else "see the package"


def version_of(package: str) -> str:
    """Its version; "unknown" where it is no package."""
    try:
        return importlib.metadata.version(distribution_of(package))
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN


def distribution_of(package: str) -> str:
    """What it is installed as: `PIL` comes with pillow."""
    return _distributions().get(package, [package])[0]


@cache
def _distributions() -> Mapping[str, list[str]]:  # half a second each time
    return importlib.metadata.packages_distributions()
