"""From a trial's training to Ray Tune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune
from ray.train import UserCallback


class Reports(UserCallback):
    """Tells Tune what rank 0 reports.

    Ray's TuneReportCallback does it through a queue in a process of its own, since its controller
    is one, too; ours is the trial's process itself.
    """

    def after_report(
        self, run_context: Any, metrics: Sequence[Mapping[str, Any]], checkpoint: Any
    ) -> None:
        tune.report(dict(metrics[0]))
