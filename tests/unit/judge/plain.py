"""A stand-in for the sandbox in tests of the judge: runs trusted code right here."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import matplotlib

from calcgen_ray.judge.walk import encode
from calcgen_ray.problem import Outcome, Status

matplotlib.use("Agg")


@dataclass(frozen=True)
class Answered(Outcome):
    """An outcome with the tree of a variable."""

    result: Any = None


class Plain:
    """Runs code in this process; for code that the project wrote only."""

    servers = 1

    def __init__(self) -> None:
        self.runs: list[str] = []

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        import matplotlib.pyplot as plt

        plt.close("all")

    def run(self, segments: Any, *, result: str | None = None) -> list[Outcome]:
        [code] = segments
        self.runs.append(code)
        names: dict[str, Any] = {}
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, names)
        except Exception as error:
            return [Answered(Status.FAILED, error=f"{type(error).__name__}: {error}")]
        tree = encode(names[result]) if result in names else None
        return [Answered(Status.RAN, result=tree)]
