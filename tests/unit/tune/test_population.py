"""Population-based training: generations, hand-over, exploration."""

from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.config import TuneConfig
from calcgen_ray.tune.population import breed
from calcgen_ray.tune.study import Trial

SPACE = {"optim.lr": {"log_uniform": (1e-5, 1e-1)}, "optim.weight_decay": {"choice": (0, 0.1, 0.2)}}
PBT = TuneConfig(scheduler="pbt", trials=12, population=4, space=SPACE)


def first_generation(scores, seed=0):
    return {
        n: Trial(n, breed(PBT, seed, n, {}).values, "finished", [(1.0, p)])
        for n, p in enumerate(scores)
    }


def test_a_generation_waits_for_the_one_before():
    trials = first_generation((4.0, 3.0, 2.0, 5.0))
    trials[1].state = "running"
    assert breed(PBT, 0, 4, trials) is None
    trials[1].state = "finished"
    assert breed(PBT, 0, 4, trials) is not None
    del trials[3]
    assert breed(PBT, 0, 4, trials) is None


def test_the_worst_goes_on_from_the_best_and_the_others_from_themselves():
    trials = first_generation((4.0, 3.0, 2.0, 5.0))
    members = [breed(PBT, 0, 4 + m, trials) for m in range(4)]
    assert [member.donor for member in members] == [0, 1, 2, 2]
    assert all(members[m].values == trials[m].values for m in range(3))
    assert members[3].values != trials[2].values and members[3].values != trials[3].values


def test_one_that_diverged_or_failed_is_replaced():
    trials = first_generation((4.0, 3.0, 2.0, 5.0))
    trials[0].state, trials[1].state = "diverged", "failed"
    donors = [breed(PBT, 0, 4 + m, trials).donor for m in range(4)]
    assert donors == [2, 2, 2, 3]


@given(st.integers(0, 10**6), st.permutations([2.0, 3.0, 4.0, 5.0]))
def test_values_stay_within_the_space(seed, scores):
    trials = first_generation(scores, seed)
    for number in range(4, 8):
        member = breed(PBT, seed, number, trials)
        assert member == breed(PBT, seed, number, trials)
        assert 1e-5 <= member.values["optim.lr"] <= 1e-1
        assert member.values["optim.weight_decay"] in (0, 0.1, 0.2)
