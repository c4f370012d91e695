"""cluster/Dockerfile and .dockerignore: what can be checked without building."""

import fnmatch
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def instructions():
    """(INSTRUCTION, rest) of every line, continued lines joined and comments left out."""
    text = (ROOT / "cluster/Dockerfile").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip()]
    return [tuple(line.split(" ", 1)) for line in lines]


def rests(instructions, name):
    return [rest for found, rest in instructions if found == name]


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_it_starts_from_the_python_of_the_project(instructions):
    (base,) = rests(instructions, "FROM")
    image, tag = base.split(":")
    version = re.fullmatch(r"(\d+)\.(\d+)\.\d+-slim-\w+", tag)
    assert image == "python" and version, f"{base}: pin the patch version and the distribution"
    assert project()["requires-python"].startswith(f">={version[1]}.{version[2]},")


def test_what_is_copied_exists_and_is_sent(instructions):
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {line[1:] for line in rules if line.startswith("!")}
    copied = [source for rest in rests(instructions, "COPY") for source in rest.split()[:-1]]
    assert set(copied) == sent
    assert all((ROOT / source).exists() for source in copied)
    assert project()["readme"] in copied
    assert not any(fnmatch.fnmatch(name, rule) for name in sent for rule in rules[1:])


def test_every_installation_is_pinned_and_leaves_no_cache(instructions):
    runs = [rest for rest in rests(instructions, "RUN") if "pip install" in rest]
    assert len(runs) == 2
    for run in runs:
        assert run.count("pip install") == run.count("--constraint constraints.txt")
    assert "PIP_NO_CACHE_DIR=1" in " ".join(rests(instructions, "ENV"))


def test_torch_is_chosen_by_an_argument(instructions):
    assert rests(instructions, "ARG") == ["TORCH=cpu"]
    choice = next(rest for rest in rests(instructions, "RUN") if "$TORCH" in rest)
    assert "cpu)" in choice and "cuda)" in choice and "exit 2" in choice


def test_it_does_not_run_as_root(instructions):
    (user,) = rests(instructions, "USER")
    assert user == "1000:1000" and instructions[-1][0] == "CMD"
    assert "--uid 1000" in " ".join(rests(instructions, "RUN"))
    names = [name for name, _ in instructions]
    assert "RUN" not in names[names.index("USER") :]
