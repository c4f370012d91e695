"""What `calcgen doctor` says of a machine with something wrong, and what helps."""

import socket

import pytest

from calcgen_ray.cli import checkup
from calcgen_ray.cli.checkup import checkup as tried
from calcgen_ray.cli.checkup import remedy_of
from calcgen_ray.judge.isolation.confinement import LAYERS
from calcgen_ray.judge.isolation.layers import Layer


def of(name, storage, environment=None):
    return next(c for c in tried(str(storage), environment or {}) if c.name == name)


def test_storage(tmp_path):
    good = of("storage", tmp_path / "not" / "there")
    assert "can be written" in good.found and not good.remedy
    assert not (tmp_path / "not").exists()
    bad = of("storage", "/proc/runs")
    assert bad.remedy == "name another run.storage"


@pytest.mark.parametrize("uri", ["ftp://x/y", "s3://"])
def test_a_bucket_that_cannot_be_used(uri):
    found = of("storage", uri)
    assert found.remedy == "check the URI, its keys and its region" and "\n" not in found.found


def test_a_port_in_use(tmp_path, monkeypatch):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        monkeypatch.setattr(checkup, "SERVE", held.getsockname()[1])
        found = of("endpoint's port", tmp_path)
    assert "in use" in found.found and "serve.port" in found.remedy


def test_the_token(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "none" in of("Ray's token", tmp_path).found
    assert of("Ray's token", tmp_path, {"RAY_AUTH_MODE": "disabled"}).found == "switched off"
    secret = {"RAY_AUTH_TOKEN": "secret", "RAY_AUTH_MODE": "token"}
    found = of("Ray's token", tmp_path, secret)
    assert "RAY_AUTH_TOKEN" in found.found and "secret" not in found.found and not found.remedy
    missing = of("Ray's token", tmp_path, {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "no")})
    assert "cannot be read" in missing.found and missing.remedy


def test_a_damaged_registry(tmp_path):
    assert "nothing promoted" in of("registry", tmp_path).found
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "promoted.json").write_text("{")
    assert "damaged" in of("registry", tmp_path).found


def test_a_layer_of_the_sandbox_that_does_not_hold_has_a_remedy():
    for name in LAYERS:
        assert not remedy_of(Layer(name, True))
        assert remedy_of(Layer(name, False, "Operation not permitted"))
    assert "max_user_namespaces" in remedy_of(Layer("user namespace", False))
    assert "5.13" in remedy_of(Layer("Landlock", False))
    assert set(checkup.REMEDIES) <= set(LAYERS)
