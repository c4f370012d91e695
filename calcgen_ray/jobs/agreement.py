"""Whether this machine and the cluster have versions that go together."""

from __future__ import annotations

from collections.abc import Mapping


def disagreements(mine: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Of Ray and Python those whose first two numbers differ, each as one clause."""
    return [
        f"{name}: the cluster has {theirs[name]}, this machine {mine[name]}"
        for name in mine
        if name in theirs and _series(mine[name]) != _series(theirs[name])
    ]


def notes(mine: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """What differs in Ray's last number only: it works, and is worth knowing."""
    ours, other = mine["Ray"], theirs["Ray"]
    if ours == other or _series(ours) != _series(other):
        return []
    return [f"Ray: the cluster has {other}, this machine {ours}"]


def _series(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])
