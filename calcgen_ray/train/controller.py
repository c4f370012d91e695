"""Ray Train's controller with less around it: a start of two workers takes six processes fewer.

Ray 2.60 starts, besides the workers, an actor each for data sets, for sharing a cluster with Ray
Data, and for orphaned placement groups (`train/orphans.py` gives those back), and gives controller
and workers an environment of their own, so that no process that is there already is taken for them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.failure_handling import (
    DefaultFailurePolicy,
    FailureDecision,
)
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup

from calcgen_ray.errors import InputError, ours


class Workers(WorkerGroup):
    """Workers in processes of the cluster's own environment: they read none of Train's settings."""

    def _get_worker_runtime_env(self, custom_runtime_env: Any) -> Any:
        return dict(custom_runtime_env)


class Controller(TrainController):
    """Ray's own, told its settings when it is made. Args: `variables`, of its environment."""

    worker_group_cls = Workers

    def __init__(self, *, variables: Mapping[str, str], **parts: Any) -> None:
        os.environ.update(variables)
        super().__init__(**parts)


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
