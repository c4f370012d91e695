"""Runs code that nobody has read, one process a job, and rules on what it gave.

Importing it does not load SymPy: verdicts are made in processes of their own.
"""

from calcgen_ray.judge.fake import FakeRunner
from calcgen_ray.judge.judge import Judge, Judgement
from calcgen_ray.judge.ruling import Ruling
from calcgen_ray.judge.runner import Runner
from calcgen_ray.judge.sandbox import Sandbox
from calcgen_ray.judge.verifier import Verifier

__all__ = ["FakeRunner", "Judge", "Judgement", "Ruling", "Runner", "Sandbox", "Verifier"]
