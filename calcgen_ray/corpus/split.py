"""Training, validation or test: whole groups go to one side, so that nothing leaks.

A group is a document (a chapter's notebooks together, a docstring's object) or, for a synthetic
problem, its expression with the constants masked.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from calcgen_ray.errors import DataError

BY_NAME = frozenset({"docstring", "package", "synthetic", "drill"})
"""Sources of so many groups that each is put on its side by its name alone."""


def place(group: str) -> float:
    """Where a group lies in [0, 1): below the fraction it is held out, in every corpus alike.

    So a model that was trained on one corpus has not seen what another one holds out.
    """
    return int.from_bytes(hashlib.sha256(f"split/{group}".encode()).digest()[:6]) / 2**48


def groups_held_out(
    sizes: Mapping[str, Mapping[str, int]],
    fraction: float,
    seed: int,
    hold_out: Sequence[str] = (),
) -> tuple[set[str], set[str]]:
    """The groups that go to validation, and those that go to test.

    Args:
        sizes: for each source, the cells of each of its groups.
        fraction: share to validate on, of what is not for the test. Of docstrings, packages,
            problems and drills the groups whose place is below it; of all else, groups in an order
            that the seed gives until that share of the cells is reached, never all of a source's.
        hold_out: patterns of groups that go to test.

    Raises:
        DataError: a pattern matches no group.
    """
    test = _named(hold_out, {group for groups in sizes.values() for group in groups})
    valid: set[str] = set()
    for source, groups in sizes.items():
        rest = {group: size for group, size in groups.items() if group not in test}
        named = source in BY_NAME
        valid |= _below(rest, fraction) if named else _draw(rest, fraction, seed)
    return valid, test


def _named(hold_out: Sequence[str], names: set[str]) -> set[str]:
    chosen: set[str] = set()
    for pattern in hold_out:
        found = set(fnmatch.filter(names, pattern))
        if not found:
            near = ", ".join(sorted(names)[:8])
            raise DataError(f"corpus.hold_out: {pattern!r} matches no group; there are {near}, ...")
        chosen |= found
    return chosen


def _below(groups: Mapping[str, int], fraction: float) -> set[str]:
    """By place; at least one of several groups, so that there is something to validate on."""
    chosen = {group for group in groups if place(group) < fraction}
    if not chosen and fraction > 0 and len(groups) > 1:
        return {min(groups, key=place)}
    return chosen


def _draw(groups: Mapping[str, int], fraction: float, seed: int) -> set[str]:
    goal, done = fraction * sum(groups.values()), 0
    chosen: set[str] = set()
    order = sorted(groups, key=lambda g: hashlib.sha256(f"{seed}/{g}".encode()).digest())
    for group in order[:-1]:
        if done >= goal:
            break
        chosen.add(group)
        done += groups[group]
    return chosen


def group_sizes(pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """(source, group) of each cell, counted."""
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for source, group in pairs:
        sizes[source][group] += 1
    return {source: dict(sizes[source]) for source in sorted(sizes)}
