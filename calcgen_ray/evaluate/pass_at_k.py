"""pass@k and intervals around means over problems."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000


class Estimate(NamedTuple):
    """A mean over problems, and the interval that holds it with the confidence asked for."""

    mean: float
    low: float
    high: float


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that one of k samples is right, from n samples of which c are right.

    Unbiased: 1 - C(n - c, k) / C(n, k). Source: Chen et al. 2021, "Evaluating Large Language
    Models Trained on Code", arXiv:2107.03374, equation 1.

    Raises:
        ValueError: not 1 <= k <= n, or not 0 <= c <= n.
    """
    if not 1 <= k <= n or not 0 <= c <= n:
        raise ValueError(f"pass@k with n={n}, c={c}, k={k}: 1 <= k <= n and 0 <= c <= n must hold")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def bootstrap(values: Sequence[float], confidence: float = 0.95, seed: int = 0) -> Estimate:
    """The mean over problems with a percentile bootstrap interval; problems are drawn anew.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values: a mean needs at least one problem")
    data = np.asarray(values, dtype=np.float64)
    generator = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, 1000):  # 1,000 rows at a time: a large suite fits in memory
        drawn = generator.integers(0, len(data), size=(1000, len(data)))
        means[start : start + 1000] = data[drawn].mean(axis=1)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, [tail, 100 - tail])
    return Estimate(float(data.mean()), float(low), float(high))
