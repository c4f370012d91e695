"""What .gitignore hides is what Git says that it hides."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcgen_ray.jobs.ignored import Ignored

PATHS = ("a.txt", "b.bin", "data/a.txt", "data/keep/b.bin", "src/data/a.txt", "src/x/data", "x/y/z")
RULES = st.lists(
    st.sampled_from(
        ["data/", "/data", "*.bin", "!b.bin", "data/*", "!data/keep/", "**/x", "src/**/a.txt",
         "# data", "", "y", "[ab].*", "!a.txt", "src/", "z/", "\\!a.txt", "*", "!*/"]
    ),
    max_size=5,
)  # fmt: skip


def tree(root, rules, inner):
    (root / ".git").mkdir(exist_ok=True)
    for name in PATHS:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / ".gitignore").write_text("\n".join(rules) + "\n")
    (root / "src/.gitignore").write_text("\n".join(inner) + "\n")


@pytest.mark.skipif(shutil.which("git") is None, reason="asks Git")
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(RULES, RULES)
def test_as_git(rules, inner):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run(["git", "init", "-q", folder], check=True)
        tree(root, rules, inner)
        asked = ["git", "-C", folder, "-c", "core.excludesFile=", "check-ignore", *PATHS]
        said = subprocess.run(asked, capture_output=True, text=True)
        hidden = {name for name in PATHS if Ignored(root).by(root / name)}
        assert hidden == set(said.stdout.split())


def test_the_rule_is_named(tmp_path):
    tree(tmp_path, ["data/"], ["*.txt"])
    rules = Ignored(tmp_path)
    assert rules.by(tmp_path / "data/keep/b.bin") == ".gitignore: data/"
    assert rules.by(tmp_path / "src/x/data") is None
    (tmp_path / ".rayignore").write_text("x/\n")
    assert Ignored(tmp_path).by(tmp_path / "x/y/z") == ".rayignore: x/"


def test_rules_above_count_up_to_the_repository(tmp_path):
    (tmp_path / ".gitignore").write_text("*\n")
    root = tmp_path / "project"
    root.mkdir()
    tree(root, ["data/"], [])
    assert Ignored(root / "src").by(root / "src/data/a.txt") == ".gitignore: data/"
    assert Ignored(root).by(root / "a.txt") is None
