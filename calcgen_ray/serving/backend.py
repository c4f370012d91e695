"""What the routes of a replica work with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from calcgen_ray.judge import Verifier
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.metrics import Metrics
from calcgen_ray.serving.models import Models
from calcgen_ray.serving.running import CodeRunner


@dataclass(slots=True)
class Backend:
    """What is loaded, and who is being served.

    `runner` is None where running code is switched off; `readers` tokenise long prompts, `scorers`
    compute log probabilities.
    """

    models: Models
    runner: CodeRunner | None = None
    verifier: Verifier | None = None
    max_waiting: int = 128
    replica: str = ""
    active: int = 0
    metrics: Metrics = field(init=False)
    readers: ThreadPoolExecutor = field(init=False)
    scorers: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics(lambda: self.models.live.batcher, lambda: self.active, self.replica)
        self.readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="reading")
        self.scorers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="scoring")

    def enter(self) -> None:
        """One request more.

        Raises:
            ApiError: 429 where there are too many.
        """
        if self.active >= self.max_waiting:
            raise ApiError(429, f"{self.active} requests are being served; try again in a second")
        self.active += 1

    def leave(self) -> None:
        self.active -= 1

    def code_runner(self) -> CodeRunner:
        """Raises ApiError, 404, where running code is switched off."""
        if self.runner is None:
            raise ApiError(404, "running code is switched off here; set serve.run=true")
        return self.runner

    def close(self) -> None:
        for pool in (self.readers, self.scorers):
            pool.shutdown(wait=False, cancel_futures=True)
        if self.runner is not None:
            self.runner.close()
        if self.verifier is not None:
            self.verifier.close()
        self.models.close()
