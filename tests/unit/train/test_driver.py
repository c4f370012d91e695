"""What a training's failure comes down to, and what its driver does without."""

import subprocess
import sys

import pytest
from ray.train import WorkerGroupError

from calcgen_ray.errors import DataError, TrainingError
from calcgen_ray.train.driver import fit


class Failing:
    def __init__(self, cause):
        self.cause = cause

    def fit(self):
        raise WorkerGroupError("failed", {0: self.cause})


def test_an_error_of_ours_comes_back_as_itself():
    with pytest.raises(DataError, match="no cell"):
        fit(Failing(DataError("no cell")))


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (
            RuntimeError("killed due to the node running low: out of memory\nSee the docs"),
            "batch_size",
        ),
        (RuntimeError("Traceback\n  File x\nValueError: odd"), "training failed: ValueError: odd"),
    ],
)
def test_others_come_down_to_a_line(cause, told):
    with pytest.raises(TrainingError, match=told) as error:
        fit(Failing(cause))
    assert "\n" not in str(error.value)


def test_a_driver_makes_its_trainer_without_torch(tmp_path):
    """Its import takes a second or more, in the driver and in Ray's controller."""
    code = (
        "import sys, pathlib; from calcgen_ray import settings\n"
        "from calcgen_ray.train.driver import make_trainer\n"
        "here = pathlib.Path(sys.argv[1])\n"
        "make_trainer(settings.load('embedded'), here, here, 'cpu')\n"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
