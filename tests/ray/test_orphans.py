"""What killed drivers leave on a cluster that goes on: on a real one, by their placement groups."""

import os
import signal
import subprocess
import sys
import time

import pytest

from calcgen_ray.train.orphans import given_back

pytestmark = pytest.mark.ray

KILLED = """
import time, ray

class Maker:
    def make(self, name, lifetime=None):
        from ray.util.placement_group import placement_group

        placement_group([{"CPU": 0.001}], name=name, lifetime=lifetime)

    def go_on(self):
        while True:
            self.make("")

ray.init(log_to_driver=False, namespace="orphans")
maker = ray.remote(num_cpus=0, max_concurrency=9)(Maker)
going, staying = maker.remote(), maker.options(name="staying", lifetime="detached").remote()
ray.get([going.make.remote("detached", "detached"), staying.make.remote("staying")])
for _ in range(8):
    going.go_on.remote()
time.sleep(0.5)
print("there", flush=True)
time.sleep(600)
"""


@pytest.fixture
def killed(ray_cluster):
    """A driver was killed whose actor made groups until it was ended, too; another actor stays."""
    import ray

    address = ray.get_runtime_context().gcs_address
    driver = subprocess.Popen(
        [sys.executable, "-c", KILLED], env={**os.environ, "RAY_ADDRESS": address},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert driver.stdout.readline() == "there\n"
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    time.sleep(3)
    yield
    ray.kill(ray.get_actor("staying", namespace="orphans"))


class Maker:
    def make(self):
        from ray.util.placement_group import placement_group

        placement_group([{"CPU": 0.001}], name="before")


def live():
    """Names of the placement groups that are not removed."""
    from ray.util import placement_group_table

    groups = placement_group_table().values()
    return sorted(group["name"] for group in groups if group["state"] != "REMOVED")


def test_what_a_killed_driver_leaves_is_given_back_and_no_more(killed):
    """As Ray Train's controller makes a group where it sees its workers end before it is ended."""
    import ray
    from ray.util import placement_group

    ray.get(placement_group([{"CPU": 0.001}], name="mine").ready())
    gone = ray.remote(num_cpus=0)(Maker).remote()
    ray.get(gone.make.remote())
    ray.kill(gone)
    kept = ["before", "detached", "mine", "staying"]
    print(f"Ray leaves {len(live()) - len(kept)}")  # those that were made last
    assert live()[-4:] == kept
    with given_back():
        end = time.monotonic() + 10
        while live() != kept and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(2)
    assert live() == kept
