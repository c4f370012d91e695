"""A runner that runs nothing, for tests of what stands on one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from calcgen_ray.judge.runner import Job
from calcgen_ray.problem import Outcome, Status


def ran(code: str) -> Outcome:
    """Every code ran and printed nothing."""
    return Outcome(Status.RAN)


class FakeRunner:
    """Answers each segment with `outcome(code)`; keeps the jobs it was given in `jobs`."""

    def __init__(self, outcome: Callable[[str], Outcome] = ran) -> None:
        self.outcome = outcome
        self.jobs: list[tuple[str, ...]] = []

    def run(
        self,
        segments: Job,
        *,
        notebook: bool = False,
        result: str | None = None,
        forms: bool = False,
        figures: bool = False,
    ) -> list[Outcome]:
        self.jobs.append(tuple(segments))
        return [self.outcome(code) for code in segments]

    def run_many(self, jobs: Iterable[Job], *, notebook: bool = False) -> Iterator[list[Outcome]]:
        for job in jobs:
            yield self.run(job, notebook=notebook)
