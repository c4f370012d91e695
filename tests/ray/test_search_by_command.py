"""A search by its command, as from a terminal: interrupted, killed, and gone on with."""

import os
import signal
import subprocess
import sys

import pytest

from calcgen_ray import settings
from calcgen_ray.train import journal
from calcgen_ray.train.loop import Loop
from calcgen_ray.tune import table
from calcgen_ray.tune.study import read

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

CELL = "from sympy import symbols, diff\n\nx = symbols('x')\nresult = diff({}*x**{}, x)\n"


def test_a_search_that_is_interrupted_and_killed_goes_on(tiny_model, tmp_path):
    """By the command, as from a terminal: Ctrl-C, SIGKILL, then nothing: an unbroken run's end.

    Of its two trials the first is over when Ctrl-C comes, and does not run again.
    """
    (tmp_path / "notes").mkdir()
    for n in range(40):
        (tmp_path / f"notes/c{n:02}.py").write_text(CELL.format(n % 9 + 1, n // 9 + 2))
    (tmp_path / "search.yaml").write_text(SEARCH.format(model=tiny_model))
    folder = tmp_path / "runs" / "cut"
    code, said = cut_off(tmp_path, signal.SIGINT)
    assert code == 130, said[-2000:]
    assert [trial.state for trial in read(folder)] == ["finished", "running"]
    assert not (folder / table.BEST).exists() and not (folder / table.TABLE).exists()
    over = files_of(folder / "trials" / "0000")
    assert {path.name for path in over} >= {journal.JOURNAL, "model.safetensors"}
    code, said = cut_off(tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL and "going on from epoch" in said
    assert [trial.state for trial in read(folder)] == ["finished", "running"]
    code, said = cut_off(tmp_path, None)
    assert code == 0 and "going on from epoch" in said, said[-2000:]
    assert files_of(folder / "trials" / "0000") == over
    _, trial = read(folder)
    best = settings.load(str(folder / table.BEST))
    [corpus] = (tmp_path / "runs" / "corpora").iterdir()
    whole = tmp_path / "whole"
    whole.mkdir()
    unbroken = Loop(best, corpus, whole).run()
    assert trial.state == "finished" and best.train.epochs == 8
    assert trial.perplexity == pytest.approx(unbroken["perplexity"], rel=1e-5)


def files_of(folder):
    """Each file below with the time of its last change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def cut_off(home, number):
    """Exit code and output of the command, all of whose processes get a signal at a score.

    At a score of the second trial: by then the first is over.
    """
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    env.pop("RAY_ADDRESS", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "calcgen_ray", "tune", "search.yaml"], cwd=home, env=env,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    said = ""
    for line in process.stdout:
        said += line
        if number and "trial 0001: epoch " in line:
            os.killpg(process.pid, number)
            break
    said += process.communicate(timeout=240)[0]
    return process.returncode, said


SEARCH = """
base: embedded
model: {model}
run: {{name: cut}}
corpus:
  {{docstrings: [], folders: [notes], synthetic: {{count: 0}}, drills: 0, run_cells: false,
   dedupe: false, valid_fraction: 0.2}}
train: {{block_size: 128, batch_size: 4, micro_batch_size: 2, precision: fp32}}
workers: {{count: 1}}
tune:
  {{scheduler: none, searcher: grid, concurrent: 1,
   space: {{optim.lr: {{choice: [1e-3]}}, train.epochs: {{choice: [1, 8]}}}}}}
"""
