"""Workers that wait for each other are as fast as the slowest."""

import multiprocessing as mp

import pytest

from calcgen_ray.bench.cores import cores_speedup, speedup


@pytest.mark.parametrize(
    ("alone", "together", "expected"),
    [(80, (80, 80), 2.0), (80, (80, 60), 1.5), (80, (40, 40), 1.0), (50, (50, 45, 40), 2.4)],
)
def test_the_slowest_counts(alone, together, expected):
    assert speedup([alone], together) == pytest.approx(expected)


def test_processes_are_measured_and_ended():
    before = set(mp.active_children())
    assert cores_speedup(workers=2, rounds=1, seconds=0.05) > 0
    assert set(mp.active_children()) == before
