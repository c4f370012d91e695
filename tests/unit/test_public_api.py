"""The public names, exactly, and what importing them costs."""

import subprocess
import sys

import calcgen_ray


def test_names():
    assert calcgen_ray.__all__ == [
        "CalcgenError", "Completion", "Config", "Problem", "SamplingParams", "build_corpus",
        "complete", "load_config", "open_engine", "train", "tune",
    ]  # fmt: skip
    assert len(calcgen_ray.__all__) <= 12
    for name in calcgen_ray.__all__:
        assert getattr(calcgen_ray, name).__doc__


def test_import_is_light():
    code = "import sys, calcgen_ray; print({'torch', 'ray', 'sympy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
