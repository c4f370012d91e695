"""Ray Train's trainer, which an interrupt ends as it ends any other command."""

from __future__ import annotations

import asyncio
from typing import Any

from ray.train.v2._internal.callbacks import datasets, placement_group_callback
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from calcgen_ray.train.controller import Controller, Failures, FixedWorkers, logged

UNUSED = (datasets.DatasetsCallback, placement_group_callback.PlacementGroupCleanerCallback)


class Trainer(DataParallelTrainer):
    """Trains from this process, without a controller of its own.

    Ctrl-C raises KeyboardInterrupt, and the workers are ended; Ray's own handler ends the process
    from within, with exit code 0 or 1, or goes on waiting where the controller waits for room.
    """

    def _create_default_callbacks(self) -> list[Any]:
        return [one for one in super()._create_default_callbacks() if not isinstance(one, UNUSED)]

    def _initialize_and_run_controller(self, **parts: Any) -> Any:
        if isinstance(parts["scaling_policy"], FixedScalingPolicy):
            parts["scaling_policy"] = FixedWorkers(self.scaling_config)
        parts["failure_policy"] = Failures(self.run_config.failure_config)
        with logged():
            controller = Controller(**parts)
            loop = asyncio.new_event_loop()  # asyncio.run's would take Ctrl-C for itself
            try:
                loop.run_until_complete(controller.run())
                return controller.get_result()
            finally:
                controller.end()
                for task in asyncio.all_tasks(loop):
                    task.cancel()
                loop.run_until_complete(asyncio.sleep(0))
                loop.close()
