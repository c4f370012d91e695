"""Problems from several processes: the same as from one, and never a hang."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calcgen_ray.config import SyntheticConfig
from calcgen_ray.corpus import synthetic
from calcgen_ray.corpus.families import FAMILIES, make_problem
from calcgen_ray.errors import ConfigError
from calcgen_ray.problem import DIFFICULTIES


def test_processes_change_nothing():
    config = SyntheticConfig(count=60)
    one, two = (list(synthetic.make_problems(config, 5, n)) for n in (1, 2))
    assert one == two
    assert {(p.family, p.difficulty) for p in one} == {
        (f, d) for f in FAMILIES for d in DIFFICULTIES
    }


def test_an_unknown_family_is_named():
    with pytest.raises(ConfigError, match=r"'derivates'; allowed: derivatives"):
        list(synthetic.make_problems(SyntheticConfig(families=("derivates",)), 0, 1))


def test_a_draw_that_never_ends_is_replaced(monkeypatch):
    def hang_at_seven(family, level, seed, index, shape, **kind):
        while index == 7:
            with contextlib.suppress(Exception):  # as SymPy does
                sum(range(1000))
        return [make_problem(family, level, seed, index)]

    monkeypatch.setattr(synthetic, "make_wordings", hang_at_seven)
    monkeypatch.setattr(synthetic, "CPU_SECONDS", 0.2)
    config = SyntheticConfig(count=9, families=("derivatives",))
    orders = [("derivatives", "easy", index) for index in (6, 7, 8)]
    found = [problem.id for problem in synthetic._make(orders, 3, config)]
    assert found == [f"derivatives-easy-3-{i}" for i in (6, synthetic.RESERVED + 7, 8)]


DRIVER = """
from calcgen_ray.config import SyntheticConfig
from calcgen_ray.corpus.synthetic import make_problems

if __name__ == "__main__":
    for number, _ in enumerate(make_problems(SyntheticConfig(count=100_000), 0, 2)):
        print(number, flush=True)
"""


def test_a_killed_build_leaves_no_process(tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    driver = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    driver.stdout.readline()
    children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
    assert len(children) >= 2
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in children if is_running(pid)]


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
