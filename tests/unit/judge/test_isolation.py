"""Layers: tried one by one, left off one by one, demanded by `strict`, missed aloud by `basic`."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from calcgen_ray.errors import SandboxError
from calcgen_ray.judge import Sandbox, sandbox
from calcgen_ray.judge.isolation import layers, seccomp
from calcgen_ray.judge.isolation.confinement import ALWAYS, LAYERS, OPTIONAL
from calcgen_ray.judge.isolation.layers import Layer, probe
from calcgen_ray.judge.process import ServerProcess


def test_each_layer_is_tried() -> None:
    assert [layer.name for layer in probe()] == list(LAYERS)
    assert all(layer.on for layer in probe() if layer.name in ALWAYS)
    assert all(layer.on or layer.reason for layer in probe())


@pytest.mark.parametrize("name", OPTIONAL)
def test_layer_that_lets_its_attempt_through_is_off(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # the attempts leave their files where they run

    def nothing_denied(folder: str) -> None:
        layers.attempts.denied(name, lambda: None)

    monkeypatch.setitem(layers.attempts.ATTEMPTS, name, nothing_denied)
    found = {layer.name: layer for layer in layers.try_all()}
    assert not found[name].on
    assert "was not denied" in found[name].reason


@pytest.mark.parametrize("name", OPTIONAL)
def test_code_runs_without_any_one_layer(name: str) -> None:
    code = "import sympy as sp\nopen('f', 'w').write('x')\nprint(sp.diff(sp.Symbol('x')**2))"
    with Sandbox(servers=1, without=[name]) as opened:
        for _ in range(3):
            [outcome] = opened.run([code])
            assert outcome.stdout == "2*x\n", outcome


def test_strict_refuses_where_a_layer_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SandboxError, match=r"strict.*seccomp \(left off on request\).*basic"):
        Sandbox(servers=1, isolation="strict", without=["seccomp"]).__enter__()
    monkeypatch.setattr(sandbox, "probe", lambda: (Layer("Landlock", False, "no such call"),))
    with pytest.raises(SandboxError, match=r"Landlock \(no such call\)"):
        Sandbox(servers=1, isolation="strict").__enter__()


def test_basic_warns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerProcess, "off", {"seccomp": "no such call"})
    monkeypatch.setattr(sandbox, "_warned", set())
    with pytest.warns(RuntimeWarning, match=r"without: seccomp \(no such call\)"):
        Sandbox(servers=1).__enter__().close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Sandbox(servers=1).__enter__().close()


def test_unknown_layers_are_refused() -> None:
    with pytest.raises(SandboxError, match=r"without=\['fences'\].*seccomp"):
        Sandbox(servers=1, without=["fences"])


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_is_a_program_of_allowed_length(machine: str) -> None:
    code = seccomp.program(1, machine)
    assert len(code) % 8 == 0
    assert 0 < len(code) // 8 <= 4096  # BPF_MAXINSNS


def test_filter_of_an_unknown_machine() -> None:
    with pytest.raises(OSError, match="no table of system calls for riscv64"):
        seccomp.program(1, "riscv64")
