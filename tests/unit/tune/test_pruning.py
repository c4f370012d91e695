"""Which trials end early, by hand and as properties."""

import math

from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.config import TuneConfig
from calcgen_ray.tune.pruning import keep, rungs

ASHA = TuneConfig(scheduler="asha", reduction_factor=3, grace_epochs=1)
MEDIAN = TuneConfig(scheduler="median", grace_epochs=2)


def test_rungs():
    assert list(rungs(1, 3, 9)) == [1, 3, 9] and list(rungs(2, 2, 9)) == [2, 4, 8]


def test_asha_by_hand():
    """With eta = 3 the n-th to come to a rung goes on if it is among the best max(1, n // 3)."""
    scores = {0: [(1.0, 5.0)]}
    assert keep(ASHA, scores, 0)  # the first
    scores[1] = [(1.0, 6.0)]
    assert not keep(ASHA, scores, 1)
    scores[2] = [(1.0, 4.0)]
    assert keep(ASHA, scores, 2)  # the best of three
    for number, perplexity in ((3, 4.5), (4, 8.0)):
        scores[number] = [(1.0, perplexity)]
        assert not keep(ASHA, scores, number)
    scores[5] = [(1.0, 4.2)]
    assert keep(ASHA, scores, 5)  # second of six
    scores[2].append((2.0, 3.9))
    assert keep(ASHA, scores, 2)  # no rung
    scores[2].append((3.0, 3.8))
    scores[5] += [(2.0, 3.7), (3.0, 3.9)]
    assert not keep(ASHA, scores, 5)  # second of two at the rung of 3


def test_median_by_hand():
    scores = {n: [(1.0, p), (2.0, p)] for n, p in enumerate((5.0, 6.0, 7.0))}
    scores[3] = [(1.0, 9.0)]
    assert keep(MEDIAN, scores, 3)  # within grace
    scores[3].append((2.0, 6.5))
    assert not keep(MEDIAN, scores, 3)  # 6.5 against the median 6
    scores[3][-1] = (2.0, 6.0)
    assert keep(MEDIAN, scores, 3)
    del scores[0]
    scores[3][-1] = (2.0, 9.0)
    assert keep(MEDIAN, scores, 3)  # two others are too few


lines = st.dictionaries(
    st.integers(0, 20),
    st.lists(st.floats(1, 100) | st.just(math.nan), min_size=1, max_size=9).map(
        lambda values: [(float(e), p) for e, p in enumerate(values, 1)]
    ),
    min_size=1,
)


@given(lines)
def test_the_best_is_never_ended_and_nan_upsets_no_rule(scores):
    for tune in (ASHA, MEDIAN):
        for number, line in scores.items():
            at = {n: dict(other).get(line[-1][0], math.inf) for n, other in scores.items()}
            goes_on = keep(tune, scores, number)
            finite = {n: p if math.isfinite(p) else math.inf for n, p in at.items()}
            alone_best = all(finite[number] < p for n, p in finite.items() if n != number)
            if tune is ASHA and alone_best:
                assert goes_on
