"""What a training's failure comes down to, and what its driver does without."""

import subprocess
import sys
import time

import pytest
from ray.exceptions import ActorUnavailableError
from ray.train import ControllerError, FailureConfig, WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from ray.train.v2._internal.execution.failure_handling import FailureDecision

from calcgen_ray.errors import DataError, ResourceError, StoppedError, TrainingError
from calcgen_ray.train import driver
from calcgen_ray.train.controller import Failures
from calcgen_ray.train.driver import fit


class Failing:
    def __init__(self, cause):
        self.cause = cause

    def fit(self):
        raise WorkerGroupError("failed", {0: self.cause})


def test_an_error_of_ours_comes_back_as_itself():
    with pytest.raises(DataError, match="no cell"):
        fit(lambda: Failing(DataError("no cell")), 2)


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
        fit(lambda: Failing(cause), 2)
    assert "\n" not in str(error.value)


def test_what_the_caller_must_mend_is_begun_again_after_a_loss_alone():
    wrapped = RuntimeError("in a worker")
    wrapped._base_exc = DataError("no cell")  # as Ray Train's own wrapping has it

    def decide(policy, *causes):
        return policy.make_decision(WorkerGroupError("failed", dict(enumerate(causes))))

    fresh = Failures(FailureConfig(max_failures=3))
    assert decide(fresh, RuntimeError("closed by peer"), wrapped) == FailureDecision.RAISE
    for cause in (RuntimeError("killed"), StoppedError("told to end"), wrapped):
        assert decide(fresh, cause) == FailureDecision.RETRY
    assert decide(fresh, wrapped) == FailureDecision.RAISE


class Losing:
    """Trainers, of which the first so many lose a node while they launch."""

    def __init__(self, losses, error):
        self.losses, self.error, self.made = losses, error, 0

    def __call__(self):
        self.made += 1
        return self

    def fit(self):
        if self.made <= self.losses:
            raise ControllerError(self.error)


def test_a_node_that_is_lost_while_its_workers_are_launched_is_made_good():
    """As seen: the actor is unavailable, connection reset by peer."""
    reset = ActorUnavailableError("Connection reset by peer", b"0" * 16)
    once, thrice = Losing(1, reset), Losing(3, reset)
    fit(once, 2)
    assert once.made == 2
    with pytest.raises(TrainingError, match="reset by peer"):
        fit(thrice, 2)
    assert thrice.made == 3
    other = Losing(1, RuntimeError("odd"))
    with pytest.raises(TrainingError, match="odd"):
        fit(other, 2)
    assert other.made == 1


def no_room(seconds=0.0):
    class Waiting(Losing):
        def fit(self):
            time.sleep(seconds)
            super().fit()

    return lambda losses: Waiting(losses, WorkerGroupStartupTimeoutError(2))


def test_lost_workers_find_room_again_or_the_run_ends_with_a_line(monkeypatch):
    monkeypatch.setattr(driver, "STARTS", 3)
    found, never = no_room()(2), no_room()(9)
    fit(found, 0)
    assert found.made == 3
    with pytest.raises(ResourceError, match=r"workers.count=2: .* 180 s after some were lost"):
        fit(never, 5)
    assert never.made == 3


def test_a_stretch_without_room_begins_anew_after_each_training(monkeypatch):
    monkeypatch.setattr(driver, "STARTS", 2)
    monkeypatch.setattr(driver, "START_SECONDS", 0.01)
    often = no_room(seconds=0.05)(6)
    fit(often, 0)
    assert often.made == 7


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
