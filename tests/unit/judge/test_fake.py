"""The fake keeps the promises of Runner that tests lean on."""

from __future__ import annotations

from calcgen_ray.judge import FakeRunner, Runner, Sandbox
from calcgen_ray.problem import Outcome, Status


def test_both_are_runners() -> None:
    runners: list[Runner] = [FakeRunner(), Sandbox()]
    assert len(runners) == 2


def test_everything_ran_unless_told_otherwise() -> None:
    assert FakeRunner().run(["a", "b"]) == [Outcome(Status.RAN), Outcome(Status.RAN)]


def test_outcomes_follow_the_given_function() -> None:
    fake = FakeRunner(lambda code: Outcome(Status.RAN, stdout=code.upper()))
    outcomes = list(fake.run_many([["a"], ["b", "c"]], notebook=True))
    assert [[o.stdout for o in job] for job in outcomes] == [["A"], ["B", "C"]]
    assert fake.jobs == [("a",), ("b", "c")]
