"""Placement groups that an ended trial leaves behind, given back while the search runs.

Ray Train removes the group of a controller that died, but hears of a group only when its workers
have started (ray/train/v2/_internal/callbacks/placement_group_callback.py, Ray 2.60). That of a
trial ended while its workers wait stays in the queue for CPUs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

POLL_SECONDS = 1.0
LAST_SECONDS = 10.0
"""How long the end of a search waits for the last trials' processes to be gone."""


@contextmanager
def given_back() -> Iterator[None]:
    """While the block runs, and for what its last trials leave, removes orphaned groups."""
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        end = time.monotonic() + LAST_SECONDS
        while _remove() and time.monotonic() < end:
            time.sleep(0.2)


def _watch(done: threading.Event) -> None:
    while not done.wait(POLL_SECONDS):
        _remove()


def _remove() -> int:
    """Removes this job's groups whose actor is dead; how many of its actors' groups there were.

    0 where the cluster's head does not answer: it is asked again.
    """
    import ray
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    held: list[Any] = []
    with suppress(RuntimeError, ray.exceptions.RayError):
        held = _held()
        for group in held:
            if group.creator_actor_dead or _is_dead(group.creator_actor_id):
                ident = ray.PlacementGroupID(group.placement_group_id)
                remove_placement_group(PlacementGroup(ident))
    return len(held)


def _is_dead(actor: bytes) -> bool:
    """Asked beside the group's own mark, which was seen not set though the actor was dead."""
    from ray._private.state import actors

    return bool(actors(actor.hex()).get("State") == "DEAD")


def _held() -> list[Any]:
    """Groups that actors of this job made and that are not removed.

    Ray's public tables do not say who made a group.
    """
    import ray
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData as Group

    job = ray.get_runtime_context().get_job_id()
    found = state._connect_and_get_accessor().get_placement_group_table()
    groups = [Group.FromString(one) for one in found]
    nil = ray.ActorID.nil().binary()
    return [
        group
        for group in groups
        if group.creator_job_id.hex() == job
        and group.creator_actor_id not in (b"", nil)
        and group.state != Group.REMOVED
    ]
