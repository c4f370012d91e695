"""What is asked of a cluster: a verb, a resolved configuration, and for `eval` the checkpoints."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcgen_ray import settings
from calcgen_ray.config import Config
from calcgen_ray.errors import ConfigError

DEFAULTS = {
    "train": "embedded",
    "tune": "tune_configs/smoke.yaml",
    "run": "embedded",
    "pretrain": "base",
    "eval": "embedded",
}
"""The verbs that make sense as jobs, and the configuration of each where none is named."""
CONFIG = "calcgen-job.yaml"
"""The resolved configuration's name in the job's folder."""


@dataclass(frozen=True, slots=True)
class Work:
    """`config` has its run's name written out: it does not change with the paths in it."""

    verb: str
    config: Config
    targets: tuple[str, ...] = ()

    @property
    def yaml(self) -> str:
        return settings.dump(self.config)

    def changed(self, values: Mapping[str, Any], targets: Sequence[str]) -> Work:
        """With the values of dotted keys exchanged, and other checkpoints."""
        return Work(self.verb, settings.replace(self.config, values), tuple(targets))

    def entrypoint(self, version: str | None) -> str:
        """The command that the head runs; with `version`, only under that calcgen-ray."""
        words = ["python", "-m", "calcgen_ray", self.verb]
        if self.verb == "eval":
            words += [*self.targets, "--config", CONFIG, "--storage", self.config.run.storage]
        else:
            words += [CONFIG, *(["--once"] if self.verb == "run" else [])]
        command = shlex.join([*words, "--json"])
        if version is None:
            return command
        return f"python -m calcgen_ray.jobs.expect {shlex.quote(version)} && {command}"


def make(verb: str, words: Sequence[str], config: str | None = None) -> Work:
    """What `calcgen submit VERB WORDS` means; `config` is that of `eval`.

    Raises:
        ConfigError: a verb that is no job, or whatever is wrong with the configuration.
    """
    if verb not in DEFAULTS:
        raise ConfigError(f"verb {verb!r} is no job; allowed: {', '.join(DEFAULTS)}")
    names = [word for word in words if "=" not in word or Path(word).exists()]
    overrides = [word for word in words if word not in names]
    if verb == "eval":
        if not names:
            raise ConfigError("eval: no checkpoint named; name a run, a folder or a model first")
        source, targets = config or DEFAULTS[verb], tuple(names)
    else:
        if len(names) > 1 or config:
            extra = config or names[1]
            raise ConfigError(f"{verb}: {extra!r} is one configuration too many; write key=value")
        source, targets = names[0] if names else DEFAULTS[verb], ()
    resolved = settings.load(source, overrides)
    return Work(verb, settings.replace(resolved, {"run.name": resolved.run_name}), targets)
