"""What the rest of the project asks of anything that runs code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from calcgen_ray.problem import Outcome

Job = Sequence[str]
"""Segments of code, run in this order in one namespace, as a notebook's cells are."""


class Runner(Protocol):
    """Runs jobs; the outcomes do not depend on what was run before."""

    def run(
        self,
        segments: Job,
        *,
        notebook: bool = False,
        result: str | None = None,
        forms: bool = False,
        figures: bool = False,
    ) -> list[Outcome]:
        """One outcome a segment. `notebook` gives the job `display` and `get_ipython`.

        The last outcome of code that ran holds, as they are when the last segment is over: the
        tree of the variable named `result`, its `forms` if asked, the open `figures` if asked.
        """
        ...

    def run_many(self, jobs: Iterable[Job], *, notebook: bool = False) -> Iterator[list[Outcome]]:
        """Each job's outcomes, in the order of the jobs, which are taken as they are needed."""
        ...
