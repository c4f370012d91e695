"""Ray Train's controller with less around it: on a command's own cluster nothing but its workers.

Ray 2.60 starts, besides the workers, an actor each for the controller, for a meeting point of the
workers' reports, for data sets, for sharing a cluster with Ray Data, and for orphaned placement
groups (`train/orphans.py` gives those back), and gives controller and workers an environment of
their own, so that no process that is there already is taken for them. Each costs a second or two of
a core at the start, and a part of the workers' cores after it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

import ray
from ray.train.v2._internal.execution.context import get_train_context
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.failure_handling import (
    DefaultFailurePolicy,
    FailureDecision,
)
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import (
    RayTrainWorker,
    WorkerGroup,
    state,
    worker_group,
)
from ray.train.v2._internal.logging.logging import LoggingManager, SessionFileHandler

from calcgen_ray.errors import InputError, ours

POLL_SECONDS = 1.0
"""How long a worker keeps a poll that it has no news for."""
LOG = "controller.log"
"""What the controller has to say, in the folder logs/train of Ray's session."""


class Agreed:
    """In the place of the actor by which all workers agree on the name of a report's checkpoint.

    Our reports carry none, and the controller waits for all workers' reports in any case. What a
    worker knows of a node that goes is its own: the loop asks all of them (`Loop._losing_a_node`).
    """

    def __init__(self) -> None:
        self.broadcast_from_rank_zero = self.set_required_ranks = self

    def remote(self, *args: Any, data: Any = True, **parts: Any) -> Any:
        """A reference to what rank 0 would tell."""
        return ray.put(data)


class TrainWorker(RayTrainWorker):
    """One that answers a poll once there is something to tell, or after a second.

    Its main thread sleeps meanwhile. Ray's own loop there looks for signals 100 times a second, and
    takes the interpreter's lock from the training each time.
    """

    def run_train_fn(self, train_fn_ref: Any) -> None:
        """Starts the training in a thread whose end wakes a poll, as a report does."""
        super().run_train_fn(train_fn_ref)
        here = get_train_context().execution_context
        threading.Thread(target=_tell_the_end, args=(here,), daemon=True).start()

    def poll_status(self) -> Any:
        """What happened since the last poll."""
        here = get_train_context().execution_context
        reports, runner = here.result_queue, here.training_thread_runner
        with reports.not_empty:
            reports.not_empty.wait_for(
                lambda: reports.queue or not runner.is_running(), POLL_SECONDS
            )
        return super().poll_status()


def _tell_the_end(here: Any) -> None:
    here.training_thread_runner._thread.join()
    with here.result_queue.not_empty:
        here.result_queue.not_empty.notify_all()


class Workers(WorkerGroup):
    """Workers in processes of the cluster's own environment: they read none of Train's settings."""

    _worker_cls = TrainWorker
    _group: Any = None

    def _get_worker_runtime_env(self, custom_runtime_env: Any) -> Any:
        return dict(custom_runtime_env)

    def _init_train_context_on_workers(
        self, workers: Sequence[Any], sync_actor: Any, train_context_args: Mapping[str, Any]
    ) -> None:
        """As Ray's, but that the controller is no actor; its handle serves checkpoints' lists."""
        ray.get(
            [
                worker.actor.init_train_context.remote(
                    train_run_context=self._train_run_context,
                    distributed_context=worker.distributed_context,
                    synchronization_actor=sync_actor,
                    storage_context=self._storage_context,
                    worker_callbacks=self._worker_callbacks_to_propagate,
                    controller_actor=None,
                    **{name: values[rank] for name, values in train_context_args.items()},
                )
                for rank, worker in enumerate(workers)
            ]
        )
        self._decorate_worker_log_file_paths(workers)

    def _create_placement_group(self, *args: Any) -> Any:
        self._group = super()._create_placement_group(*args)
        return self._group

    def _start(self) -> None:
        """Starts the workers; of a start that fails late Ray leaves them to the actor's end."""
        try:
            with _without_meeting():
                super()._start()
        except BaseException:
            if self._group is not None:
                self._group.shutdown()  # and the workers in it
            raise

    def shutdown(self) -> None:
        with _without_meeting():
            super().shutdown()

    def abort(self) -> None:
        with _without_meeting():
            super().abort()


@contextmanager
def _without_meeting() -> Iterator[None]:
    with (
        patch.object(worker_group, "SynchronizationActor") as made,
        patch.object(state, "_shutdown_sync_actor"),
    ):
        made.options.return_value.remote.side_effect = lambda **parts: Agreed()
        yield


class Controller(TrainController):
    """Ray's own, in the process that asks for the training."""

    worker_group_cls = Workers

    def __init__(self, **parts: Any) -> None:
        with patch.object(LoggingManager, "configure_controller_logger"):  # of a process of its own
            super().__init__(**parts)

    async def _poll_workers(self) -> Any:
        """Asked again at once: it is the workers who wait."""
        await asyncio.sleep(0)  # what reports have set off has its turn
        return self._worker_group.poll_status(timeout=2 * POLL_SECONDS)

    async def _run_control_loop_iteration(self) -> None:
        before = self.get_state()
        await super()._run_control_loop_iteration()
        if self.get_state() is before:  # an elastic training waits for room
            await asyncio.sleep(POLL_SECONDS)

    def end(self) -> None:
        """Ends what is left before its time: what Ray leaves to the end of the actor."""
        if not self.get_state().is_terminal():
            self._controller_callback_manager.invoke_best_effort("before_controller_abort")
        if self._worker_group is not None:
            with suppress(ray.exceptions.RayError, ValueError):  # lost, or begun in part
                self._worker_group.abort()


@contextmanager
def logged() -> Iterator[None]:
    """While the block runs, Ray Train's words go to a file of the session alone."""
    logger, handler = logging.getLogger("ray.train"), SessionFileHandler(LOG)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


class FixedWorkers(FixedScalingPolicy):
    """As many workers as asked for; an autoscaler sees them by their placement group."""

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass


class Failures(DefaultFailurePolicy):
    """What was lost is begun again as Ray does it; what the caller must mend ends at once.

    After a loss it is begun again, too: storage that lags behind may look like a fault of the run.
    """

    def make_decision(self, training_failed_error: Any) -> FailureDecision:
        losses = self._worker_group_failures, self._controller_failures, self._preemption_failures
        failures = getattr(training_failed_error, "worker_failures", {})
        if not any(losses) and any(isinstance(ours(one), InputError) for one in failures.values()):
            return FailureDecision.RAISE
        return super().make_decision(training_failed_error)
