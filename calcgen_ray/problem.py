"""The nouns that all layers share: a problem, what running code gave, a completion, a verdict.

Plain frozen dataclasses of strings and numbers, so that they cross process borders, Parquet and
JSON unchanged. Nothing here imports SymPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Difficulty = Literal["easy", "medium", "hard"]
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard")

RESULT = "result"
"""Every synthetic problem asks for its answer in the variable of this name."""


class Kind(StrEnum):
    """How an answer is compared with the expected one."""

    EXPRESSION = "expression"  # equal as functions
    ANTIDERIVATIVE = "antiderivative"  # its derivative equals given["integrand"]
    LIMIT = "limit"  # equal, infinities and one-sided values apart
    SERIES = "series"  # equal coefficients up to the O term
    ODE = "ode"  # satisfies given["equation"]
    SOLUTION_SET = "solution_set"  # equal as sets
    NUMBER = "number"  # equal within given["rtol"]
    ARRAY = "array"  # JSON list of numbers, equal within given["rtol"]
    PLOT = "plot"  # a curve that follows given["function"] over given["low"]..given["high"]


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer of a problem.

    `value` is SymPy text (`sstr`) or, for numbers and arrays, JSON. `given` holds what the
    comparison needs besides: the integrand, the variable, the equation, a tolerance.
    """

    kind: Kind
    value: str
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """A task in words, code that solves it, and the expected result.

    `phrasing` names the wording ("derivatives/3"), `skeleton` the expression with its constants
    masked: splits are drawn by skeleton, so that no expression is in two of them.
    """

    id: str
    family: str
    difficulty: Difficulty
    phrasing: str
    statement: str
    code: str
    expected: Expected
    skeleton: str

    @property
    def prompt(self) -> str:
        """The statement as comment lines, which is how it is put before a model."""
        return as_prompt(self.statement)

    @property
    def text(self) -> str:
        """Prompt and code: what a model is trained on."""
        return self.prompt + self.code


def as_prompt(statement: str) -> str:
    """Each line of a statement as a Python comment, with a newline at the end."""
    return "".join(f"# {line}\n" for line in statement.strip().splitlines())


class Status(StrEnum):
    """What became of code that was run."""

    RAN = "ran"
    FAILED = "failed"  # it raised, or left with an exit code
    TIMEOUT = "timeout"
    MEMORY = "memory"
    SKIPPED = "skipped"  # an earlier segment of the same job ended the process
    SANDBOX = "sandbox"  # the sandbox's own fault: never counts against the code


@dataclass(frozen=True, slots=True)
class Outcome:
    """What running one piece of code gave. `seconds` is its own wall time, start-up excluded.

    `result` is the bounded tree (judge/walk.py) of the variable that was asked for, None where
    there is none; `forms` are that value as "text", "latex" and "mathml"; `figures` are PNG files.
    `memory_bytes` is the peak resident memory of the process so far, imported modules included.
    """

    status: Status
    stdout: str = ""
    error: str = ""  # "ZeroDivisionError: division by zero"
    line: int = 0  # of the exception, from 1; 0 when there is none
    seconds: float = 0.0
    result: Any = None
    forms: Mapping[str, str] = field(default_factory=dict)
    figures: tuple[bytes, ...] = ()
    memory_bytes: int = 0

    @property
    def ran(self) -> bool:
        return self.status is Status.RAN


@dataclass(frozen=True, slots=True)
class Completion:
    """Text that a model wrote after a prompt. `finish_reason` is OpenAI's: stop or length."""

    prompt: str
    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    seed: int | None = None


class Verdict(StrEnum):
    """Three-valued: what cannot be decided is never folded into right or wrong."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
