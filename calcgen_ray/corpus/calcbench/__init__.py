"""calcbench: the frozen benchmark, disjoint from every training split.

Three groups: `generated` (20 problems for each of ten families and three difficulties, in wordings
that are trained on), `wording` (the same families in statements written by hand, in words that no
training template has) and `docstring` (SymPy's own examples with their printed results). The
expressions of the first two are of skeletons that training never draws (families/reserved.py); the
third's documents are left out of training corpora.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Literal

from calcgen_ray.errors import DataError
from calcgen_ray.problem import Expected, Kind, Problem

Group = Literal["generated", "wording", "docstring"]
GROUPS: tuple[Group, ...] = ("generated", "wording", "docstring")

FILE = "calcbench.jsonl"
SHA256 = "66bceff9de320a06f2437aeac5cfa621bcab2e6a4d3c2d3f5ba735468fa7e5d5"


def load() -> tuple[Problem, ...]:
    """All problems, in the order of the file.

    Raises:
        DataError: the file is not the one that was frozen.
    """
    return _load()


@cache
def _load() -> tuple[Problem, ...]:
    data = files(__name__).joinpath(FILE).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise DataError(f"{FILE}: sha256 is {found[:12]}..., frozen as {SHA256[:12]}...: reinstall")
    return tuple(from_line(line) for line in data.decode().splitlines())


def group_of(problem: Problem) -> Group:
    """The group that a problem of the benchmark belongs to."""
    kind = problem.id.split("/")[1:-1][-1]
    return "docstring" if kind == "docstring" else "wording" if kind == "wording" else "generated"


def documents() -> frozenset[str]:
    """The docstrings that training leaves out."""
    return frozenset(p.phrasing.partition("/")[2] for p in load() if group_of(p) == "docstring")


@cache
def skeletons() -> frozenset[str]:
    """What is asked about, with its kind: no problem or drill of a training corpus has one."""
    return frozenset(problem.skeleton for problem in load())


def to_line(problem: Problem) -> str:
    """A problem as one line of JSON."""
    return json.dumps(asdict(problem), ensure_ascii=False)


def from_line(line: str) -> Problem:
    """The problem of a line of JSON."""
    fields = json.loads(line)
    expected = fields.pop("expected")
    return Problem(
        expected=Expected(Kind(expected["kind"]), expected["value"], expected["given"]), **fields
    )
