"""The keys and the ratios of the judge's bench, on a few problems."""

import pytest

from calcgen_ray.bench.judge import bench_judge, own_seconds, sample
from calcgen_ray.config import JudgeConfig


def test_bench_has_its_keys_and_ratios() -> None:
    found = bench_judge(JudgeConfig(), problems=2)
    assert {"overhead_ms", "times_python_c", "verdicts_per_s"} <= set(found)
    assert found["times_python_c"] == pytest.approx(
        found["verdicts_per_s"] / found["python_c_per_s"], rel=0.5
    )
    assert found["problems"] == 2


def test_sample_is_spread_over_the_benchmark() -> None:
    chosen = sample(120)
    assert len(chosen) == 120
    assert len({problem.family for problem in chosen}) > 8


def test_own_time_is_that_of_the_code() -> None:
    assert 0.05 < own_seconds("import time\ntime.sleep(0.05)") < 0.5
