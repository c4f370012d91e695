"""Commands that take turns: who is held does nothing, and nobody outlives the block."""

import itertools
import os
import signal
import subprocess
import sys
import time

import pytest

from calcgen_ray.bench.turns import after, runners, take_turns
from calcgen_ray.errors import RunError

TICK = "import sys, time\nwhile True: open(sys.argv[1], 'a').write('.'); time.sleep(0.01)"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {TICK!r}, sys.argv[1]])"


def python(code, *args):
    return [sys.executable, "-c", code, *map(str, args)]


def size(path):
    return path.stat().st_size if path.exists() else 0


def still(path):
    """Whether nothing is written for a while."""
    before = size(path)
    time.sleep(0.3)
    return size(path) == before


def test_who_is_held_does_nothing_nor_do_its_children(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    with runners({"one": python(PARENT, one), "two": python(TICK, two)}) as (first, second):
        first.turn(lambda: size(one) > 0)
        assert still(one)
        second.turn(lambda: size(two) > 20)
        assert still(one) and still(two)
        held = size(one)
        first.turn(lambda: size(one) > held + 20)
        assert still(one) and not first.over
    assert still(one) and still(two)


def test_the_time_that_counts_is_that_of_its_turns(tmp_path):
    with runners({"one": python(TICK, tmp_path / "one")}) as (one,):
        begin = time.time()
        one.turn(after(0.3))
        time.sleep(0.5)
        one.turn(after(0.2))
        end = time.time()
        assert 0.5 <= one.active(begin, end) <= end - begin - 0.5
        one.turns = [(10.0, 12.0), (20.0, 23.0)]
        assert [one.active(*span) for span in [(0, 30), (11, 21), (12, 20), (20.5, 21)]] \
            == [5.0, 2.0, 0.0, 0.5]  # fmt: skip


def test_all_run_to_their_ends_by_turns(tmp_path):
    code = "import time\nfor _ in range(30): time.sleep(0.01)"
    with runners({"one": python(code), "two": python(code)}) as racing:
        take_turns(racing, 0.1)
        assert all(one.over and len(one.turns) > 1 for one in racing)
        ends = sorted(span for one in racing for span in one.turns)
    assert all(mine[1] <= following[0] for mine, following in itertools.pairwise(ends))


def test_what_fails_is_named_and_ends_the_others(tmp_path):
    commands = {"one": python(TICK, tmp_path / "one"), "two": python("raise SystemExit('no room')")}
    with pytest.raises(RunError, match=r"^two: no room$"), runners(commands) as racing:
        take_turns(racing, 0.1)
    assert size(tmp_path / "one") and still(tmp_path / "one")


def test_a_block_that_is_told_to_end_leaves_nothing_held(tmp_path):
    code = f"""
from calcgen_ray.bench.turns import after, runners
import sys, time
with runners({{"one": [sys.executable, "-c", {PARENT!r}, sys.argv[1]]}}) as (one,):
    one.turn(after(0.5))
    print(one._process.pid, flush=True)
    time.sleep(60)
"""
    told = subprocess.Popen(python(code, tmp_path / "one"), stdout=subprocess.PIPE, text=True)
    pid = int(told.stdout.readline())
    told.send_signal(signal.SIGTERM)
    assert told.wait(30) == 128 + signal.SIGTERM
    assert still(tmp_path / "one")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
