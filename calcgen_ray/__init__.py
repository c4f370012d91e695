"""Fine-tune CodeGen on calculus code with Ray: train, search, judge and serve.

Importing this loads neither torch nor Ray; each name loads what it needs at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calcgen_ray.config import Config
    from calcgen_ray.corpus.build import build as build_corpus
    from calcgen_ray.errors import CalcgenError
    from calcgen_ray.generate.engine import SamplingParams, open_engine
    from calcgen_ray.problem import Completion, Problem
    from calcgen_ray.serving.client import complete
    from calcgen_ray.settings import load as load_config
    from calcgen_ray.train.driver import train
    from calcgen_ray.tune.driver import tune

__version__ = "0.1.0"

_HOME = {
    "CalcgenError": ("calcgen_ray.errors", "CalcgenError"),
    "Completion": ("calcgen_ray.problem", "Completion"),
    "Config": ("calcgen_ray.config", "Config"),
    "Problem": ("calcgen_ray.problem", "Problem"),
    "SamplingParams": ("calcgen_ray.generate.engine", "SamplingParams"),
    "build_corpus": ("calcgen_ray.corpus.build", "build"),
    "complete": ("calcgen_ray.serving.client", "complete"),
    "load_config": ("calcgen_ray.settings", "load"),
    "open_engine": ("calcgen_ray.generate.engine", "open_engine"),
    "train": ("calcgen_ray.train.driver", "train"),
    "tune": ("calcgen_ray.tune.driver", "tune"),
}

__all__ = [
    "CalcgenError",
    "Completion",
    "Config",
    "Problem",
    "SamplingParams",
    "build_corpus",
    "complete",
    "load_config",
    "open_engine",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(module), attribute)
