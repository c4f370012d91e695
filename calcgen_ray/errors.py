"""Everything that can go wrong, as one tree.

    CalcgenError
    ├── InputError              the caller can mend it: exit code 2, HTTP 400
    │   ├── ConfigError         a key, a value or a preset
    │   ├── DataError           a folder, a notebook, a corpus
    │   ├── ModelError          a model name, a tokenizer
    │   ├── CheckpointError     a folder that is cut off, changed or incomplete
    │   └── ResourceError       a plan that the cluster cannot hold
    └── RunError                the work itself failed: exit code 1, HTTP 500
        ├── TrainingError
        │   └── StoppedError    asked to end by SIGTERM: saved first, exit code 143
        ├── TuneError
        ├── EvaluationError
        ├── SandboxError        a fault of the sandbox, never of the code in it
        ├── ServeError
        └── JobError            a job on a cluster failed or was stopped, or its cluster was lost

Each message is one line: what is wrong, the value, what is allowed, what to do.
Each class is made from that one string, so that it survives pickling between Ray processes.
"""

from __future__ import annotations


class CalcgenError(Exception):
    """Root of the tree. `exit_code` is what the command line returns."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)


class InputError(CalcgenError):
    """The caller gave something that cannot be used, and can mend it."""

    exit_code = 2


class ConfigError(InputError):
    """A configuration key or value."""


class DataError(InputError):
    """A folder, a file or a corpus."""


class ModelError(InputError):
    """A model name, folder or tokenizer."""


class CheckpointError(InputError):
    """A checkpoint folder that is cut off, changed or incomplete."""


class ResourceError(InputError):
    """A plan that the cluster cannot hold."""


class RunError(CalcgenError):
    """The work was well described and failed all the same."""


class TrainingError(RunError):
    """A training run ended without a result."""


class StoppedError(TrainingError):
    """A run that was asked to end and saved first; the same command goes on with it."""

    exit_code = 143


class TuneError(RunError):
    """A search ended without a usable trial."""


class EvaluationError(RunError):
    """Checkpoints could not be measured to the end."""


class SandboxError(RunError):
    """The sandbox itself failed; says nothing about the code in it."""


class ServeError(RunError):
    """The endpoint did not come up, or did not answer."""


class JobError(RunError):
    """A job on a cluster failed or was stopped, or its cluster was lost."""


def ours(error: BaseException | None) -> CalcgenError | None:
    """The first error of this tree among an error and its causes, Ray's wrappings included."""
    while error is not None:
        if isinstance(error, CalcgenError):
            return error
        inner = getattr(error, "cause", None) or getattr(error, "_base_exc", None)
        error = inner or error.__cause__
    return None
