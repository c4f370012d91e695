"""Who belongs to a cluster, and who is ended with it: no Ray here."""

import os
import signal
import subprocess
import sys
import time

import pytest

from calcgen_ray.local_cluster import processes
from calcgen_ray.local_cluster.plan import MARKER, NODE_MARKER
from calcgen_ray.local_cluster.processes import Process, identify

SLEEP = "import time; time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True);"


@pytest.fixture
def start():
    """Starts Python code with a cluster's mark; whatever is left ends with the test."""
    children = []

    def begin(code, ident=None, **options):
        env = {**os.environ, **({MARKER: ident} if ident else {})}
        command = [sys.executable, "-c", code]
        pipe = subprocess.PIPE
        children.append(subprocess.Popen(command, env=env, text=True, stdout=pipe, **options))
        return children[-1]

    yield begin
    for child in children:
        child.kill()
        child.wait()


def test_a_number_used_again_is_another_process(start):
    child = start(SLEEP)
    known = identify(child.pid)
    assert known.alive
    stranger = Process(child.pid, known.started + "0")
    assert not stranger.alive
    stranger.signal(signal.SIGKILL)
    assert child.poll() is None
    child.kill()
    while child.poll() is None:
        time.sleep(0.01)
    assert identify(child.pid) is None and not known.alive


def test_a_process_that_left_only_its_exit_code_is_gone(start):
    child = start("pass")
    child.stdout.read()
    deadline = time.monotonic() + 30
    while identify(child.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert identify(child.pid) is None


def test_a_family_is_the_known_the_marked_and_their_children(start):
    parent = start(f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', "
                   f"{SLEEP!r}], env={{}}); print(p.pid, flush=True); p.wait()")  # fmt: skip
    child = int(parent.stdout.readline())
    marked, stranger = start(SLEEP, "aa"), start(SLEEP, "bb")
    time.sleep(0.1)  # an environment is seen once the program is loaded
    found = {process.pid for process in processes.family("aa", [identify(parent.pid)])}
    assert found == {parent.pid, child, marked.pid}
    assert stranger.pid not in found and os.getpid() not in found
    os.kill(child, signal.SIGKILL)


def test_ending_takes_the_deaf_too_and_no_stranger(start):
    deaf, orphan, stranger = start(DEAF + SLEEP, "aa"), start(SLEEP, "aa"), start(SLEEP, "bb")
    deaf.stdout.readline()
    processes.end("aa", [([identify(deaf.pid)], 0.3), ([], 0.3)])
    assert deaf.wait(10) == -signal.SIGKILL and orphan.wait(10) == -signal.SIGKILL
    assert stranger.poll() is None


def test_a_lost_node_loses_those_too_that_wrote_over_their_mark(start, monkeypatch):
    """As Ray's agents do, which give themselves a name."""
    monkeypatch.setenv(NODE_MARKER, "head")
    parent = start(f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', "
                   f"{SLEEP!r}], env={{}}); print(p.pid, flush=True); p.wait()", "aa")  # fmt: skip
    monkeypatch.setenv(NODE_MARKER, "worker-1")
    child, other = int(parent.stdout.readline()), start(SLEEP, "aa")
    time.sleep(0.1)
    processes.kill_node("aa", "head")
    assert parent.wait(10) == -signal.SIGKILL and identify(child) is None
    assert other.poll() is None


def test_what_begins_while_others_are_ended_is_ended_too(start):
    """As Ray's node starts workers: some are not there yet when the family is read."""
    parent = start("import subprocess\nprint(1, flush=True)\n"
                   "while True: subprocess.Popen(['sleep', '60'])", "aa")  # fmt: skip
    parent.stdout.readline()
    time.sleep(0.2)
    processes.end("aa", [([], 0.0)])
    time.sleep(0.1)
    assert parent.wait(10) == -signal.SIGKILL and not processes.family("aa", [])
