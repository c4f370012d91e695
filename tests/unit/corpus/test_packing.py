"""Packing, plans, splits and duplicates: pure functions and their laws."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.corpus.duplicates import exact, near
from calcgen_ray.corpus.packing import Plan, pack, pad_fraction, share
from calcgen_ray.corpus.split import group_sizes, groups_held_out, place
from calcgen_ray.errors import DataError

lengths = st.lists(st.integers(1, 300), max_size=120)


@given(lengths, st.integers(16, 256), st.integers(0, 9))
def test_pack_places_every_cell_once_within_the_row(sizes, block, seed):
    rows = pack(sizes, block, seed)
    assert sorted(cell for row in rows for cell in row) == list(range(len(sizes)))
    assert all(sum(min(sizes[c], block) for c in row) <= block for row in rows)
    assert rows == pack(sizes, block, seed)


@given(lengths.filter(bool), st.integers(16, 256))
def test_pack_is_near_optimal(sizes, block):
    """Within 11/6 of a lower bound of the optimum: that bound is loose, so 11/9 cannot be asked."""
    least = math.ceil(sum(min(n, block) for n in sizes) / block)
    half = sum(min(n, block) * 2 > block for n in sizes)
    assert len(pack(sizes, block)) <= 11 / 9 * max(least, half) * 1.5 + 1


@given(st.integers(1, 50), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_plan_covers_an_epoch_once_whatever_the_world(count, batch, world, epoch):
    plan = Plan([(i,) for i in range(count)], batch, seed=3)
    steps = range(epoch * plan.steps_per_epoch, (epoch + 1) * plan.steps_per_epoch)
    seen = [row for s in steps for rank in range(world) for row in share(plan.step(s), rank, world)]
    assert sorted(seen) == [(i,) for i in range(count)]


def test_epochs_differ_in_order():
    plan = Plan([(i,) for i in range(64)], 64, seed=0)
    assert plan.step(0) != plan.step(1)


def test_pad_fraction_by_hand():
    assert pad_fraction([10, 20, 30], [(0, 1), (2,)], 40) == pytest.approx(1 - 60 / 80)


@given(
    st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 30), min_size=2, max_size=40),
    st.floats(0, 0.5),
    st.integers(0, 5),
)
def test_split_never_takes_all_and_reaches_its_share(sizes, fraction, seed):
    held, test = groups_held_out({"s": sizes}, fraction, seed)
    assert held < set(sizes) and not test
    total, taken = sum(sizes.values()), sum(sizes[g] for g in held)
    assert len(held) == len(sizes) - 1 or taken >= fraction * total
    if fraction == 0:
        assert not held


@given(st.sets(st.text("abcdef", min_size=1), min_size=2, max_size=200), st.floats(0.01, 0.5))
def test_problems_are_split_by_their_name_in_every_corpus(groups, fraction):
    """What one corpus holds out, another that has more groups or another seed holds out too."""
    some = dict.fromkeys(sorted(groups)[::2], 3)
    few, _ = groups_held_out({"synthetic": some}, fraction, 0)
    many, _ = groups_held_out({"synthetic": dict.fromkeys(groups, 1)}, fraction, 7)
    assert {g for g in few if place(g) < fraction} <= many
    assert many and (all(place(g) < fraction for g in many) or many == {min(groups, key=place)})


def test_hold_out_takes_what_it_names():
    sizes = group_sizes([("notebook", f"ch{i:02}") for i in range(2, 20)])
    named = {"ch07", "ch14", "ch17"}
    assert groups_held_out(sizes, 0.0, 0, ["ch07", "ch1[47]"]) == (set(), named)
    valid, test = groups_held_out(sizes, 0.2, 0, ["ch07", "ch1[47]"])
    assert test == named and len(valid) == 3 and not valid & test  # of the 15 others
    with pytest.raises(DataError, match=r"ch99.*matches no group"):
        groups_held_out(sizes, 0.0, 0, ["ch99"])


def test_duplicates():
    code = "import sympy as sp\nx = sp.symbols('x')\ny = sp.diff(sp.sin(x)**2, x)\nprint(y)\n"
    spaced = code.replace(" = ", "=") + "# a comment\n"
    assert exact([code, spaced, code + "z = 1\n"]) == [0, 2]
    long = code * 6
    other = "import numpy as np\n" + "".join(f"a{i} = np.cos({i})\n" for i in range(30))
    assert near([long, long + "pass\n", other]) == [0, 2]
