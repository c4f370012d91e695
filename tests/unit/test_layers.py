"""The direction of imports, and where Ray may stand."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "calcgen_ray"

LAYERS = {
    "errors": 0, "space": 0, "section": 0, "training_config": 0, "config": 0, "storage": 0,
    "settings": 0, "problem": 0, "runtime": 0, "head": 0,
    "cluster": 1, "judge": 1, "model": 1,
    "local_cluster": 2, "corpus": 2, "generate": 2, "registry": 2,
    "train": 3, "evaluate": 3, "jobs": 3,
    "tune": 4,
    "report": 5,
    "serving": 6,
    "pipeline": 7, "pretraining": 7, "bench": 7,
    "cli": 8,
    "__init__": 9, "__main__": 9,
}  # fmt: skip
WITHIN = {
    "space": 0, "errors": 0, "problem": 0, "runtime": 0, "section": 0, "storage": 1,
    "training_config": 1, "config": 2, "settings": 3,
}  # fmt: skip
RAY_FILES = {
    "driver.py", "worker.py", "group.py", "trial.py", "orphans.py", "cluster.py", "deployment.py",
    "trainer.py", "controller.py", "head.py", "reports.py",
}  # fmt: skip
NEVER = {"judge": {"torch", "ray"}, "serving": {"calcgen_ray.train", "calcgen_ray.tune"}}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def place(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Every module that a file imports, at any depth, outside `if TYPE_CHECKING`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "calcgen_ray":
                yield from (f"calcgen_ray.{alias.name}" for alias in node.names)
            else:
                yield node.module


def test_every_part_has_a_layer():
    assert {place(path) for path in modules()} == set(LAYERS)


def test_imports_point_down():
    for path in modules():
        here = place(path)
        for name in imports(path):
            if not name.startswith("calcgen_ray."):
                continue
            there = name.split(".")[1]
            if there == here:
                continue
            if LAYERS[here] == LAYERS[there] == 0:
                assert WITHIN[there] < WITHIN[here], f"{path}: {name}"
            else:
                assert LAYERS[there] < LAYERS[here], f"{path}: {name}"


def test_ray_stands_only_in_the_shell():
    for path in modules():
        if any(name.split(".")[0] == "ray" for name in imports(path)):
            assert path.name in RAY_FILES or place(path) == "serving", path


def test_what_parts_never_import():
    for part, banned in NEVER.items():
        for path in (PACKAGE / part).rglob("*.py"):
            for name in imports(path):
                assert not any(name == b or name.startswith(b + ".") for b in banned), (path, name)


def test_no_pickle_is_ever_loaded():
    for path in modules():
        text = path.read_text("utf-8")
        assert "torch.load" not in text and "pickle.load" not in text, path


def test_files_and_functions_stay_short():
    for path in modules():
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 350, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < 80, f"{path}: {node.name}"
