"""calcbench: the frozen benchmark, disjoint from every training split.

Three groups: `generated` (20 problems for each of ten families and three difficulties, in wordings
that are trained on), `wording` (the same families in statements written by hand, in words that no
training template has) and `docstring` (SymPy's own examples with their printed results). The
expressions of the first two are of skeletons that training never draws (families/reserved.py); the
third's documents are left out of training corpora.

A second file, `generalisation`, asks how far what was learnt reaches: compositions of functions
that training never shows, and expressions with more operators than any of its problems has.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import sympy

from calcgen_ray.errors import DataError
from calcgen_ray.problem import Expected, Kind, Problem

GROUPS = ("generated", "wording", "docstring", "composition", "deeper", "held_out")

SHA256: dict[str, str] = {
    "calcbench": "66bceff9de320a06f2437aeac5cfa621bcab2e6a4d3c2d3f5ba735468fa7e5d5",
    "generalisation": "e2af18ac38043ebb65d4f2544fc94c87f07849c3fea5e9ba5442c98956976ed1",
}
"""Of each file as it was frozen."""


class Named(Protocol):
    @property
    def id(self) -> str: ...


def load(name: str = "calcbench") -> tuple[Problem, ...]:
    """All problems of a file, in its order.

    Raises:
        DataError: the file is not the one that was frozen.
    """
    return _load(name)


@cache
def _load(name: str) -> tuple[Problem, ...]:
    data = files(__name__).joinpath(f"{name}.jsonl").read_bytes()
    found, frozen = hashlib.sha256(data).hexdigest(), SHA256[name]
    if found != frozen:
        raise DataError(
            f"{name}.jsonl: sha256 is {found[:12]}..., frozen as {frozen[:12]}...: reinstall"
        )
    return tuple(from_line(line) for line in data.decode().splitlines())


def group_of(problem: Named) -> str:
    """The group that a problem belongs to: it stands in its id."""
    kind = problem.id.split("/")[-2]
    return kind if kind in GROUPS else "generated"


def depth_of(problem: Problem) -> int:
    """The depth of the expression that is asked about: 1 for x, 2 for sin(x), 3 for sin(2*x)."""
    given = problem.expected.given
    text = given.get("function", given.get("integrand", ""))
    if "equation" in given:
        text = given["equation"]
    return _depth(sympy.sympify(text))


def _depth(expr: Any) -> int:
    return 1 + max((_depth(arg) for arg in expr.args), default=0)


@cache
def documents() -> frozenset[str]:
    """The docstrings that training leaves out."""
    return frozenset(p.phrasing.partition("/")[2] for p in load() if group_of(p) == "docstring")


@cache
def skeletons() -> frozenset[str]:
    """What calcbench asks about, with its kind: no problem or drill of a training corpus has one.

    The other file's expressions are kept out by the rules that they were drawn by.
    """
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
