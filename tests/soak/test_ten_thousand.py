"""Ten thousand verdicts in a row leave nothing behind: no process, descriptor, file or memory."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from itertools import cycle, islice, pairwise
from pathlib import Path

import pytest

from calcgen_ray.corpus import calcbench
from calcgen_ray.judge import Judge, Sandbox, Verifier
from calcgen_ray.problem import Problem

VERDICTS = 10_000
SETTLED = 2_000
QUICK = ("derivatives", "expressions", "limits", "numerics", "plots")
LEAVING = [
    "open('f', 'w').write('x' * 10**6)",
    "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    "import os\nos._exit(3)",
    "x = 'x' * (10 * 2**30)",
    "print('x' * 10**6)",
]


def work() -> list[tuple[Problem, str]]:
    """Right and wrong solutions, and now and then code that leaves something behind."""
    problems = [one for one in calcbench.load() if one.family in QUICK]
    pairs = [(one, one.code) for one in problems]
    pairs += [(one, other.code) for one, other in pairwise(problems)]
    for place, code in enumerate(LEAVING):
        pairs.insert(17 * (place + 1), (problems[place], code))
    return list(islice(cycle(pairs), VERDICTS))


def memory(pid: int) -> int:
    """Resident bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


def held(judge: Judge) -> dict[str, object]:
    """What the judge's processes and this one have open."""
    pids = [os.getpid(), *judge.sandbox.pids, *judge.verifier.pids]
    folders = Path(tempfile.gettempdir()).glob("calcgen-judge-*")
    return {
        "pids": pids,
        "descriptors": [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids],
        "children": [len(children(pid)) for pid in pids[1:]],
        "files": {str(folder): sorted(os.listdir(folder)) for folder in folders},
    }


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def settle(judge: Judge) -> None:
    """Waits until each server has ended its last job and its next child waits."""
    last: list[list[str]] = []
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        now = [children(pid) for pid in judge.sandbox.pids]
        if now == last and all(len(one) == 1 for one in now):
            return
        last = now
        time.sleep(0.2)
    raise AssertionError(f"the servers do not come to rest: {last}")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_verdicts_leave_nothing() -> None:
    counts: Counter[str] = Counter()
    before: dict[str, object] = {}
    sizes: list[int] = []
    with Judge(Sandbox(servers=2, memory_bytes=1 << 30), Verifier(2)) as judge:
        pids = [os.getpid(), *judge.sandbox.pids, *judge.verifier.pids]
        for start in range(0, VERDICTS, SETTLED):
            for found in judge.judge_many(work()[start : start + SETTLED]):
                counts[found.ruling.verdict] += 1
                counts[found.outcome.status] += 1
            settle(judge)
            before = before or held(judge)
            sizes.append(sum(map(memory, pids)))
        assert held(judge) == before
    print(dict(counts), [round(size / 2**20) for size in sizes])
    assert counts["sandbox"] == 0 and counts["equal"] > 0.4 * VERDICTS
    assert max(sizes) < 1.03 * sizes[0]
