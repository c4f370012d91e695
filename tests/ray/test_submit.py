"""`calcgen submit`, `jobs`, `logs` and `stop` against a head and two workers with a token."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calcgen_ray.local_cluster import lifecycle, plan
from calcgen_ray.local_cluster.plan import Plan

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
SECONDS = 300
CELL = "from sympy import symbols, diff\n\nx = symbols('x')\nresult = diff({}*x**{}, x)\n"
CONFIG = """
base: embedded
model: model
run: {name: small}
corpus:
  {docstrings: [], folders: [notes], synthetic: {count: 0}, drills: 0, run_cells: false,
   dedupe: false, valid_fraction: 0.2}
train: {epochs: 1, block_size: 128, batch_size: 4, micro_batch_size: 2, precision: fp32}
workers: {count: 2}
"""
LONG = ("run.name=long", "train.epochs=10000")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    starts = range(25200, 31000, 400)  # not where test_local_cluster looks first
    port = next(s for s in starts if not plan.taken(range(s, s + 305)))
    yield lifecycle.up(folder, Plan(workers=2, port=port), seconds=SECONDS)
    lifecycle.down(folder)


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny_model):
    """A working directory: a configuration, a folder of scripts, a model's folder."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "notes").mkdir()
    for number in range(40):
        cell = CELL.format(number % 9 + 1, number // 9 + 2)
        (folder / f"notes/c{number:02}.py").write_text(cell)
    shutil.copytree(tiny_model, folder / "model")
    (folder / "small.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def start(cluster, project):
    """The command as it is typed, beside the cluster's own RAY_ADDRESS as `up` prints it."""

    def run(*arguments, address=cluster.plan.dashboard, **variables):
        drop = ("RAY_AUTH_TOKEN", "RAY_API_SERVER_ADDRESS")
        env = {k: v for k, v in os.environ.items() if k not in drop}
        env |= {**cluster.variables, "COLUMNS": "120", "HF_HUB_OFFLINE": "1", **variables}
        command = [sys.executable, "-m", "calcgen_ray", *arguments, "--address", address]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, cwd=project, env=env,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def calcgen(start):
    def run(*arguments, **options):
        process = start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    return run


def last(done):
    return json.loads(done.stdout.splitlines()[-1])


def known(calcgen):
    """Status by id."""
    return {job["id"]: job["status"] for job in last(calcgen("jobs", "--json"))["jobs"]}


@pytest.fixture(scope="module")
def trained(calcgen):
    done = calcgen("submit", "train", "small.yaml", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_dry_run_lists_and_submits_nothing(calcgen, project):
    (project / ".gitignore").write_text("c07.py\n")
    done = calcgen("submit", "train", "small.yaml", "--dry-run", "--json")
    (project / ".gitignore").unlink()
    assert done.returncode == 0, done.stderr
    said = last(done)
    names = {file["name"] for file in said["files"]}
    assert {"calcgen-job.yaml", "notes/c00.py", "model/config.json"} <= names
    assert "notes/c07.py" not in names and ".gitignore: c07.py" in said["warnings"][0]
    assert said["bytes"] == sum(file["bytes"] for file in said["files"])
    assert "MiB  model/model.safetensors" in done.stdout and known(calcgen) == {}
    assert not (project / "runs").exists()


def test_training_runs_there_and_its_table_is_seen(trained, project, calcgen):
    """The model's folder and the corpus's are read from what travelled, by both workers."""
    assert "on 2 x cpu" in trained.stdout and "perplexity_final" in trained.stdout
    said = last(trained)
    assert said["status"] == "SUCCEEDED" and said["result"]["workers"] == 2
    checkpoint = Path(said["result"]["checkpoint"])
    assert checkpoint.is_dir() and project / "runs/small" in checkpoint.parents
    assert known(calcgen)[said["job"]] == "SUCCEEDED"
    assert "on 2 x cpu" in calcgen("logs", said["job"]).stdout


def test_asking_again_gives_the_same_without_running(trained, calcgen):
    before = known(calcgen)
    again = calcgen("submit", "train", "small.yaml", "--json")
    assert again.returncode == 0, again.stderr
    assert last(again) == last(trained) and known(calcgen) == before
    assert "SUCCEEDED already" in again.stdout and "perplexity_final" in again.stdout
    assert "on 2 x cpu" not in again.stdout


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (["submit", "train", "small.yaml"], {"RAY_AUTH_MODE": "disabled"}, "asks for a token"),
        (["jobs"], {"RAY_AUTH_TOKEN": "f" * 64}, "does not take the token of RAY_AUTH_TOKEN"),
        (["logs", "x"], {"RAY_AUTH_TOKEN_PATH": "/none"}, "/none cannot be read"),
        (["stop", "train-none"], {}, "no job 'train-none' at http://127.0.0.1:"),
        (["submit", "train", "small.yaml", "optim.lr=fast"], {}, "optim.lr: got 'fast'"),
        (["jobs"], {"address": "http://127.0.0.1:9"}, "answers at http://127.0.0.1:9 "),
    ],
)
def test_what_is_wrong_is_one_line(calcgen, arguments, options, said):
    done = calcgen(*arguments, **options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert said in done.stderr


def test_a_job_that_fails_is_exit_code_1_and_may_be_asked_again(calcgen):
    greedy = ("submit", "train", "small.yaml", "run.name=greedy", "workers.cpus=50")
    done = calcgen(*greedy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1 and "lower workers.count" in done.stderr
    again = calcgen(*greedy, "--detach")
    assert again.returncode == 0, again.stderr
    first, second = sorted(name for name in known(calcgen) if "greedy" in name)
    assert second == f"{first}-2" and f"calcgen stop {second}" in again.stdout


def test_a_running_job_is_attached_to_left_and_stopped(calcgen, start):
    assert calcgen("submit", "train", "small.yaml", *LONG, "--detach").returncode == 0
    [ident] = [name for name in known(calcgen) if "long" in name]
    follower = start("submit", "train", "small.yaml", *LONG)
    heard = []
    for line in follower.stdout:
        heard.append(line)
        if "Running entrypoint" in line:
            break
    assert any("already, so nothing is submitted" in line for line in heard)
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=SECONDS)
    assert follower.returncode == 130, err
    assert f"calcgen logs {ident}" in out and "--follow" in out and "Traceback" not in err
    assert known(calcgen)[ident] in ("PENDING", "RUNNING")

    begin = time.monotonic()
    done = calcgen("stop", ident)
    assert done.returncode == 0 and f"{ident}: STOPPED" in done.stdout, done.stderr
    assert time.monotonic() - begin < 60 and known(calcgen)[ident] == "STOPPED"
    assert "STOPPED already" in calcgen("stop", ident).stdout
    followed = calcgen("logs", ident, "--follow")
    assert followed.returncode == 1 and "was stopped" in followed.stderr
