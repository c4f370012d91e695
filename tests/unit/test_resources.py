"""What fits on a cluster's nodes, by hand."""

import pytest

from calcgen_ray import cluster
from calcgen_ray.errors import ResourceError
from calcgen_ray.training_config import WorkersConfig

TWO = [{"CPU": 2.0, "GPU": 0.0}, {"CPU": 2.0, "GPU": 0.0}]
MIXED = [{"CPU": 4.0, "GPU": 0.0}, {"CPU": 1.0, "GPU": 3.0}]


def test_a_worker_runs_on_one_node():
    assert cluster.slots({"CPU": 1.0}, TWO) == 4
    assert cluster.slots({"CPU": 2.0}, TWO) == 2
    assert cluster.slots({"CPU": 1.5}, TWO) == 2  # and not 4 / 1.5
    assert cluster.slots({"CPU": 4.0}, TWO) == 0
    assert cluster.slots({"CPU": 1.0, "GPU": 1.0}, MIXED) == 1
    assert cluster.slots({"CPU": 0.1}, [{"CPU": 0.3, "GPU": 0.0}]) == 3


def test_a_worker_that_fits_on_no_node_is_refused_with_the_largest():
    assert cluster.fit(WorkersConfig(count=2, cpus=2.0), TWO) == "cpu"
    told = (
        r"workers.count=1 x 4 CPU = 4 CPU, but the cluster has 4, its largest node 2: 0 fit; "
        r"lower workers.count or workers.cpus"
    )
    with pytest.raises(ResourceError, match=told):
        cluster.fit(WorkersConfig(count=1, cpus=4.0), TWO)


def test_graphics_cards_are_counted_by_node_too():
    assert cluster.fit(WorkersConfig(count=1, cpus=1.0), MIXED) == "gpu"
    with pytest.raises(ResourceError, match=r"2 x 1 CPU = 2 CPU, but the .* 1 fit"):
        cluster.fit(WorkersConfig(count=2, cpus=1.0), MIXED[1:])
    with pytest.raises(ResourceError, match="the cluster has 0, its largest node 0"):
        cluster.fit(WorkersConfig(count=1), [])
