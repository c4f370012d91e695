"""The command line as a user meets it: exit codes, one-line errors, no tracebacks."""

import json
import os
import signal
import subprocess
import sys

import pytest


def calcgen(*arguments, cwd, typed=""):
    return subprocess.run(
        [sys.executable, "-m", "calcgen_ray", *arguments],
        capture_output=True, text=True, cwd=cwd, timeout=120, input=typed,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "120"},
    )  # fmt: skip


BAD = {
    "unknown preset": (["train", "embeded"], "did you mean 'embedded'"),
    "unknown key": (["train", "embedded", "optim.learing_rate=1"], "did you mean 'optim.lr'"),
    "word for a number": (["train", "embedded", "optim.lr=fast"], "optim.lr: got 'fast'"),
    "too many workers": (["train", "--dry-run", "workers.count=4000"], "lower workers.count"),
    "missing folder": (["corpus", "build", "--from", "nowhere"], "'nowhere' does not exist"),
    "empty folder": (["corpus", "build", "--from", "empty"], "holds no *.ipynb"),
    "unknown run": (["promote", "nothing"], "nothing"),
    "nothing promoted": (["serve"], "calcgen promote"),
    "no such option": (["train", "--frob"], "--frob"),
    "no endpoint": (["sample", "x", "--from", "http://127.0.0.1:9"], "127.0.0.1:9"),
    "offline hub id": (["eval", "nobody/nothing"], "nobody/nothing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name, tmp_path):
    arguments, said = BAD[name]
    (tmp_path / "empty").mkdir()
    done = calcgen(*arguments, cwd=tmp_path)
    assert done.returncode == (1 if name == "no endpoint" else 2), done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert said in done.stderr


def test_a_cut_off_checkpoint_is_named(tmp_path, tiny_model):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    weights = folder / "model.safetensors"
    os.truncate(weights, weights.stat().st_size - 10)
    done = calcgen("sample", "x", "--from", str(folder), cwd=tmp_path)
    assert done.returncode == 2
    assert "cut off" in done.stderr and done.stderr.count("\n") == 1


def test_ls_validate_doctor_and_dry_run(tmp_path):
    assert "article" in calcgen("ls", cwd=tmp_path).stdout
    assert "good" in calcgen("validate", "embedded", cwd=tmp_path).stdout
    facts = json.loads(calcgen("doctor", "--json", cwd=tmp_path).stdout.splitlines()[-1])
    assert facts["torch"].startswith("2.13") and facts["cpus"] >= 1
    tried = {check["name"]: check["found"] for check in facts["tried"]}
    assert tried["storage"].startswith("runs: can be written")
    assert "nothing promoted" in tried["registry"] and "8000: " in tried["endpoint's port"]
    plan = calcgen("train", "embedded", "workers.count=1", "--dry-run", cwd=tmp_path).stdout
    assert "resource plan" in plan and "workers:" in plan
    assert not list(tmp_path.iterdir())


def test_sample_from_a_folder(tmp_path, tiny_model):
    done = calcgen(
        "sample", "Differentiate x**2.", "--from", str(tiny_model), "--max-tokens", "5",
        "--seed", "3", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# Differentiate x**2.\n")


def test_prompts_one_a_line(tmp_path, tiny_model):
    """What is wrong with one of them does not end the others."""
    words = "Differentiate x**2.\n\n" + "y " * 400 + "\nIntegrate t.\n"
    done = calcgen("sample", "--from", str(tiny_model), "--max-tokens", "3", "--temperature", "0",
                   cwd=tmp_path, typed=words)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("# Differentiate x**2.\n") == done.stdout.count("# Integrate t.") == 1
    assert done.stderr.count("error: ") == 1


def test_ctrl_c_is_told_in_a_line(tmp_path):
    command = [sys.executable, "-m", "calcgen_ray", "corpus", "build"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
                               stdout=subprocess.PIPE, start_new_session=True)  # fmt: skip
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.splitlines()[-1].startswith("error: interrupted; the same command goes on")
