"""Training or validation: whole groups go to one side, so that nothing leaks.

A group is a document (a chapter's notebooks together, a docstring's object) or, for a synthetic
problem, its expression with the constants masked.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from calcgen_ray.errors import DataError


def held_out_groups(
    sizes: Mapping[str, Mapping[str, int]],
    fraction: float,
    seed: int,
    hold_out: Sequence[str] = (),
) -> set[str]:
    """The groups that go to validation.

    Args:
        sizes: for each source, the cells of each of its groups.
        fraction: share of each source's cells to hold out; the groups are taken in an order that
            the seed gives until the share is reached, never all of a source's.
        hold_out: patterns of groups that are held out whatever the fraction says.

    Raises:
        DataError: a pattern matches no group.
    """
    names = {group for groups in sizes.values() for group in groups}
    chosen: set[str] = set()
    for pattern in hold_out:
        found = set(fnmatch.filter(names, pattern))
        if not found:
            near = ", ".join(sorted(names)[:8])
            raise DataError(f"corpus.hold_out: {pattern!r} matches no group; there are {near}, ...")
        chosen |= found
    for groups in sizes.values():
        chosen |= _draw(groups, fraction, seed, chosen)
    return chosen


def _draw(groups: Mapping[str, int], fraction: float, seed: int, taken: set[str]) -> set[str]:
    goal = fraction * sum(groups.values())
    done = sum(size for group, size in groups.items() if group in taken)
    chosen: set[str] = set()
    order = sorted(groups, key=lambda g: hashlib.sha256(f"{seed}/{g}".encode()).digest())
    for group in order[:-1]:
        if done >= goal:
            break
        if group not in taken:
            chosen.add(group)
            done += groups[group]
    return chosen


def group_sizes(pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """(source, group) of each cell, counted."""
    sizes: dict[str, Counter[str]] = defaultdict(Counter)
    for source, group in pairs:
        sizes[source][group] += 1
    return {source: dict(sizes[source]) for source in sorted(sizes)}
