"""Runs code that nobody has read, one process a job. Importing it does not load SymPy."""

from calcgen_ray.judge.fake import FakeRunner
from calcgen_ray.judge.runner import Runner
from calcgen_ray.judge.sandbox import Sandbox

__all__ = ["FakeRunner", "Runner", "Sandbox"]
