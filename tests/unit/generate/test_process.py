"""The engine in a process of its own: killed, refused, cancelled, left alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.generate import child
from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.process import EngineProcess
from tests.unit.generate.slow import Listener

LONG = SamplingParams(max_tokens=200, temperature=1.0, n=32)
GREEDY = SamplingParams(max_tokens=60, temperature=0)


@pytest.fixture(scope="module")
def entry(tiny_model, tmp_path_factory):
    """With converted weights, as a registry's entry has them."""
    folder = shutil.copytree(tiny_model, tmp_path_factory.mktemp("entry") / "tiny")
    to_ctranslate2(folder, folder / "engine-int8")
    return folder


@pytest.fixture
def engine(entry):
    made = EngineProcess.open(entry)
    yield made
    made.close()


def ask(engine, params, prompt="# x\n", **how):
    heard = Listener()
    return engine.submit([engine.row(prompt, params)], params, heard, **how), heard


def gone(pid, seconds=10.0):
    """Whether a process ends within so long; a zombie has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_a_killed_engine_ends_what_was_asked_of_it(engine):
    ticket, heard = ask(engine, LONG)
    with heard.done:
        assert heard.done.wait_for(lambda: heard.tokens, 30)
    assert engine.running and engine.batch_size
    os.kill(engine.pid, signal.SIGKILL)
    heard.wait(32, seconds=10)
    assert all("lost" in str(job.error) for job in ticket.jobs)
    assert (engine.running, engine.waiting) == (0, 0)
    answers_again(engine)


def answers_again(engine):
    """What is asked while another process starts waits for it."""
    ticket, heard = ask(engine, GREEDY)
    assert len(engine.scores([1, 2], 0).values) == 1
    heard.wait(1)
    assert ticket.jobs[0].error is None and engine.alive


def test_an_engine_that_hangs_is_replaced(engine, monkeypatch):
    monkeypatch.setattr(child, "SILENT_SECONDS", 2.0)
    time.sleep(1.5)  # it waits for a beat with the new patience
    first = engine.pid
    os.kill(first, signal.SIGSTOP)
    ticket, heard = ask(engine, GREEDY)
    heard.wait(1, seconds=20)
    assert "lost" in str(ticket.jobs[0].error)
    answers_again(engine)
    assert gone(first) and engine.pid != first


def test_an_engine_that_does_not_start_again_is_told(entry, tmp_path):
    folder = shutil.copytree(entry, tmp_path / "tiny")
    engine = EngineProcess.open(folder)
    os.truncate(folder / "engine-int8/model.bin", 1000)
    os.kill(engine.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while engine._reader.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not engine.alive
    with pytest.raises(InputError, match="lost"):
        ask(engine, GREEDY)
    engine.close()


def test_cancelled_rows_end_early(engine):
    ticket, heard = ask(engine, LONG)
    with heard.done:
        assert heard.done.wait_for(lambda: heard.tokens, 30)
    ticket.cancel()
    heard.wait(32, seconds=5)
    assert all(len(job.ids) < 200 for job in ticket.jobs)
    assert (engine.running, engine.waiting) == (0, 0)


def test_of_a_whole_answer_the_first_token_and_the_end_are_told(engine):
    ticket, heard = ask(engine, GREEDY, every=False)
    [told] = heard.wait(1)
    every, all_of_it = ask(engine, GREEDY)
    assert all_of_it.wait(1) == [every.jobs[0].ids] == [ticket.jobs[0].ids]
    assert told == ticket.jobs[0].ids[:1] and ticket.jobs[0].begun


def test_stop_strings_end_a_row_in_the_process(engine):
    whole, heard = ask(engine, GREEDY)
    heard.wait(1)
    text = engine.tokenizer.decode(whole.jobs[0].ids[:20])
    ticket, heard = ask(engine, SamplingParams(max_tokens=60, temperature=0, stop=(text[-4:],)))
    heard.wait(1)
    assert len(ticket.jobs[0].ids) <= 20 and text[-4:] in engine.tokenizer.decode(
        ticket.jobs[0].ids
    )


def test_weights_that_do_not_load_are_refused_by_name(entry, tmp_path):
    folder = shutil.copytree(entry, tmp_path / "tiny")
    os.truncate(folder / "engine-int8/model.bin", 1000)
    with pytest.raises(CheckpointError, match=r"engine-int8: does not load"):
        EngineProcess.open(folder)


def test_closing_ends_rows_and_process(entry):
    engine = EngineProcess.open(entry)
    ticket, heard = ask(engine, LONG)
    engine.close()
    heard.wait(32, seconds=1)
    assert any("closed" in str(job.error) for job in ticket.jobs)
    assert gone(engine.pid) and not engine.alive


ORPHAN = """
import sys, time
from pathlib import Path
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.generate.process import EngineProcess

engine = EngineProcess.open(Path(sys.argv[1]))
params = SamplingParams(max_tokens=200, temperature=1.0, n=200)
engine.submit([engine.row("x y", params)], params, lambda *_: None)
print(engine.pid, engine.weights.folder, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("converted", [True, False])
def test_the_process_ends_with_its_replica(entry, tiny_model, converted):
    """With what was made for it; not with weights that somebody keeps."""
    command = [sys.executable, "-c", ORPHAN, str(entry if converted else tiny_model)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    pid, folder = parent.stdout.readline().split()
    assert Path(folder).is_dir()
    parent.kill()
    parent.wait()
    assert gone(int(pid))
    assert Path(folder).is_dir() == converted and Path(folder).parent.is_dir() == converted


def test_the_process_needs_neither_torch_nor_transformers():
    code = (
        "import sys, calcgen_ray.generate.program\n"
        "print([m for m in ('torch', 'transformers', 'ray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_weights_and_tokenizer_open_without_torch(entry):
    """Its import takes a second or more."""
    code = (
        "import sys, pathlib; from calcgen_ray.generate.weights import Weights\n"
        "print(Weights.of(pathlib.Path(sys.argv[1])).compute_type, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(entry)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["int8", "False"]
