"""One worker alone and each of two have the same rows a step."""

from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.bench.scale import LARGE, Arm, even_rows
from calcgen_ray.bench.turns import Runner
from calcgen_ray.corpus.packing import Plan


@given(st.integers(128, 3000), st.integers(8, 32))
def test_each_of_two_workers_has_what_one_has(count, about):
    rows = [(i,) for i in range(count)]
    batch = even_rows(count, about)
    one, two = Plan(rows, batch, 0), Plan(rows, 2 * batch, 0)
    assert one.steps_per_epoch == 2 * two.steps_per_epoch
    alone = {len(one.step(step)) for step in range(one.steps_per_epoch)}
    each = {len(two.step(step)) / 2 for step in range(two.steps_per_epoch)}
    assert max(alone) - min(each) <= 1 and max(each) - min(alone) <= 1
    assert abs(count / one.steps_per_epoch - about) <= about / 2 + 1


def test_by_hand():
    assert even_rows(281, 32) == 36  # eight steps of 35 or 36; 32 would give nine of 31


@given(st.integers(128, 3000), st.integers(2, 32))
def test_what_two_workers_do_in_a_step_one_does_in_two(count, about):
    rows = [(i,) for i in range(count)]
    batch = even_rows(count, about)
    one, two = Plan(rows, batch, 0), Plan(rows, 2 * batch, 0)
    for step in range(LARGE.steps + two.steps_per_epoch):
        assert two.step(step) == one.step(2 * step) + one.step(2 * step + 1)


def test_a_rate_is_that_of_the_settled_steps_in_the_time_that_they_ran():
    arm, runner = Arm("one", 1, True), Runner("one", [])
    runner.turns = [(100.0, 110.0), (120.0, 160.0)]  # it was held from 110 to 120
    steps = [
        {"time": 108.0, "seconds": 6.0, "tokens": 1_000_000},
        {"time": 130.0, "seconds": 22.0, "tokens": 600},
        {"time": 136.0, "seconds": 6.0, "tokens": 300},
    ]
    arm.add(runner, steps, 1)
    assert arm.first == [8.0] and arm.seconds == [9.0] and arm.rates == [50.0]
