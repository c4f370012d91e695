"""What a training's failure comes down to."""

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
