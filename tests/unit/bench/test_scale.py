"""One worker alone and each of two have the same rows a step."""

from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.bench.scale import even_rows
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
