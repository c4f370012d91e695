"""A cluster of a head and two workers, each a tree of processes that can be killed as a machine.

What is marked `chaos` here is left to `make chaos`; most of it has a short form in `make test`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from safetensors.torch import load_file

from calcgen_ray import settings
from calcgen_ray.local_cluster import lifecycle, plan, processes
from calcgen_ray.local_cluster.plan import Plan
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.train import journal
from calcgen_ray.train.kept import CHECKPOINTS

DRIVER = """
import sys
from pathlib import Path
from calcgen_ray import cluster, settings
verb, config, corpus, folder = sys.argv[1:]
where = settings.load(config), Path(corpus), Path(folder)
try:
    if verb == "train":
        from calcgen_ray.train.driver import train
        train(*where, lambda entry: None)
    else:
        from calcgen_ray.tune.driver import tune
        found = tune(*where, lambda event: None)
        print("best", found.best.trial, round(found.best.perplexity, 4))
except Exception as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(getattr(error, "exit_code", 1))
finally:
    cluster.disconnect()
"""

LEFT = """
import json, ray
from ray.util import placement_group_table
ray.init(log_to_driver=False, logging_level="ERROR")
live = [g for g in placement_group_table().values() if g["state"] != "REMOVED"]
print(json.dumps([ray.available_resources().get("CPU", 0), ray.cluster_resources().get("CPU", 0),
                  len(live)]))
"""


@dataclass
class Job:
    """A driver process, and what its run has written."""

    verb: str
    arguments: list[str]
    variables: dict[str, str]
    folder: Path
    process: subprocess.Popen = field(init=False)

    def __post_init__(self):
        self.start()

    def start(self):
        env = {**os.environ, **self.variables}
        with (self.folder.parent / "driver.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, self.verb, *self.arguments],
                env=env, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def journal(self):
        return journal.read(self.folder / journal.JOURNAL)

    @property
    def log(self):
        return (self.folder.parent / "driver.log").read_text("utf-8", "replace")

    @property
    def weights(self):
        return load_file(checkpoints.latest(self.folder / CHECKPOINTS).path / "model.safetensors")

    def until(self, done, seconds=240):
        """Waits for `done(journal)`; False where the driver ended before."""
        deadline = time.monotonic() + seconds
        while not done(self.journal):
            if self.process.poll() is not None:
                return done(self.journal)
            assert time.monotonic() < deadline, self.log[-2000:]
            time.sleep(0.05)
        return True

    def cut(self):
        """SIGKILL to the driver, which must not have ended by itself, and the same command."""
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL, self.log[-2000:]
        self.start()

    def wait(self, seconds=600):
        """Exit code."""
        return self.process.wait(seconds)


class Machines:
    """The cluster as who pulls its plugs sees it."""

    def __init__(self, folder, port):
        self.folder, self.plan = folder, Plan(workers=2, cpus=1, port=port)
        self.state = lifecycle.up(folder, self.plan)

    def job(self, verb, config, corpus, folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder.parent / f"{folder.name}.yaml"
        path.write_text(settings.dump(config))
        arguments = [str(path), str(corpus), str(folder)]
        return Job(verb, arguments, self.state.variables, folder)

    def undisturbed(self, verb, config, corpus, folder):
        """A job that nothing disturbed, at its end."""
        job = self.job(verb, config, corpus, folder)
        assert job.wait() == 0, job.log[-2000:]
        return job

    def train_workers(self):
        """Process numbers of Ray Train's workers."""
        found = []
        for process in processes.family(self.state.ident, self.state.nodes.values()):
            line = Path(f"/proc/{process.pid}/cmdline")
            try:
                if line.read_bytes().startswith(b"ray::TrainWorker"):
                    found.append(process.pid)
            except OSError:
                continue
        return sorted(found)

    def lose(self, name):
        processes.kill_node(self.state.ident, name)

    def mend(self):
        self.state = lifecycle.up(self.folder, self.plan)

    def left(self, seconds=60):
        """Free CPUs, all CPUs and live placement groups, once all is free or time is over."""
        deadline = time.monotonic() + seconds
        while True:
            done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True,
                                  env={**os.environ, **self.state.variables})  # fmt: skip
            free, total, groups = json.loads(done.stdout.splitlines()[-1])
            if (free == total and not groups) or time.monotonic() > deadline:
                return free, total, groups
            time.sleep(2)


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    starts = range(25000, 31000, 400)
    port = next(s for s in starts if not plan.taken(range(s, s + 305)))
    folder = tmp_path_factory.mktemp("machines")
    yield Machines(folder, port)
    lifecycle.down(folder)


def kill(pid):
    """SIGKILL; a process that has just gone is as good."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
