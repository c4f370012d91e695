"""Ray Train's trainer, which an interrupt ends as it ends any other command."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from typing import Any

import ray
from ray.train.v2._internal.callbacks import datasets, placement_group_callback
from ray.train.v2._internal.constants import get_env_vars_to_propagate
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from calcgen_ray.train.controller import Controller, Failures, FixedWorkers

UNUSED = (datasets.DatasetsCallback, placement_group_callback.PlacementGroupCleanerCallback)

ABORT_SECONDS = 20
"""What the controller has to end its workers; they end with the job in any case."""


class Trainer(DataParallelTrainer):
    """Raises KeyboardInterrupt at Ctrl-C, and leaves the process's handler as it was.

    Ray's own handler ends the process from within, with exit code 0 or 1, or goes on waiting where
    the controller is still waiting for room.
    """

    def fit(self) -> Any:
        """Trains to the end, as Ray's does.

        Raises:
            KeyboardInterrupt: SIGINT came; the workers were ended.
        """
        before = signal.getsignal(signal.SIGINT)
        try:
            return super().fit()
        finally:
            if signal.getsignal(signal.SIGINT) is not before:
                signal.signal(signal.SIGINT, before)

    def _create_default_callbacks(self) -> list[Any]:
        return [one for one in super()._create_default_callbacks() if not isinstance(one, UNUSED)]

    def _initialize_and_run_controller(self, **parts: Any) -> Any:
        if isinstance(parts["scaling_policy"], FixedScalingPolicy):
            parts["scaling_policy"] = FixedWorkers(self.scaling_config)
        parts["failure_policy"] = Failures(self.run_config.failure_config)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        remote = ray.remote(num_cpus=0, scheduling_strategy=here)(Controller)
        controller = remote.remote(variables=get_env_vars_to_propagate(), **parts)
        if threading.current_thread() is threading.main_thread():
            self._register_sigint_handler(controller)
        try:
            ray.get(controller.run.remote())
            return ray.get(controller.get_result.remote())
        finally:
            # Left to end by itself it was seen to lock up in Ray's destructors, for good.
            ray.kill(controller)

    def _register_sigint_handler(self, controller: Any) -> None:
        def end(number: int, frame: object) -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a second one waits no more
            with suppress(ray.exceptions.RayError):
                ray.get(controller.abort.remote(), timeout=ABORT_SECONDS)
            raise KeyboardInterrupt

        signal.signal(signal.SIGINT, end)
