"""Placement groups that killed processes leave behind, given back while a training or search runs.

A trial that is ended leaves its group behind: its maker is dead, its job goes on, and its CPUs are
held. And groups of a killed driver's actors were seen that Ray had marked neither as the dead job's
nor as the dead actor's: as it seems, what is made while both end comes too late for Ray, which
looks once at each end. It would hold its CPUs as long as the cluster lives.

Ray Train's own PlacementGroupCleaner is not used (`train/trainer.py`): it hears of a group only
when its workers have started, asks the dashboard, and stays where a driver is killed (Ray 2.60).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from typing import Any

POLL_SECONDS = 1.0


@contextmanager
def given_back(last_seconds: float = 0.0) -> Iterator[None]:
    """While the block runs, removes orphaned groups.

    Groups of this job whose actor is dead, and of jobs that are over, too. Those that were made to
    outlive their job stay, and what this job had before the block.

    Args:
        last_seconds: how long the end waits for the processes of this job's actors to be gone.
    """
    done, before = threading.Event(), _of_this_job()
    thread = threading.Thread(target=_watch, args=(done, before), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        end = time.monotonic() + last_seconds
        while time.monotonic() < end and _remove(before):
            time.sleep(0.2)


def _watch(done: threading.Event, before: Set[bytes]) -> None:
    while not done.is_set():
        _remove(before)
        done.wait(POLL_SECONDS)


def _of_this_job() -> set[bytes]:
    import ray

    job = ray.get_runtime_context().get_job_id()
    with suppress(RuntimeError, ray.exceptions.RayError):
        return {g.placement_group_id for g in _groups() if g.creator_job_id.hex() == job}
    return set()


def _remove(before: Set[bytes]) -> int:
    """Removes the groups whose maker is dead; how many there were of this job's actors.

    0 where the cluster's head does not answer: it is asked again.
    """
    import ray
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    held = 0
    with suppress(RuntimeError, ray.exceptions.RayError):
        job = ray.get_runtime_context().get_job_id()
        groups = [g for g in _groups() if g.placement_group_id not in before]
        over = _over() if any(group.creator_job_id.hex() != job for group in groups) else set()
        for group in groups:
            maker, actor = group.creator_job_id.hex(), group.creator_actor_id
            by_actor = actor not in (b"", ray.ActorID.nil().binary())
            held += maker == job and by_actor
            dead = _is_dead(actor) if by_actor else maker in over
            if dead and (maker == job or maker in over):
                ident = ray.PlacementGroupID(group.placement_group_id)
                remove_placement_group(PlacementGroup(ident))
    return held


def _is_dead(actor: bytes) -> bool:
    """Asked, since a group's own mark was seen not set though its actor was dead."""
    from ray._private.state import actors

    return bool(actors(actor.hex()).get("State") == "DEAD")


def _over() -> set[str]:
    """Jobs whose driver has ended."""
    from ray._private.state import jobs

    return {job["JobID"] for job in jobs() if job["IsDead"]}


def _groups() -> list[Any]:
    """Those that are not detached and not removed.

    Ray's public tables do not say who made a group.
    """
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData as Group

    found = state._connect_and_get_accessor().get_placement_group_table()
    groups = [Group.FromString(one) for one in found]
    return [g for g in groups if not g.is_detached and g.state != Group.REMOVED]
