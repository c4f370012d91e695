"""A run's folder: its configuration is whole, or it is as if there was none."""

import os

import pytest

from calcgen_ray import settings
from calcgen_ray.errors import ConfigError
from calcgen_ray.train.run import CONFIG, prepare

LR = "optim.lr=0.02"


def test_other_settings_are_refused(tmp_path):
    prepare(settings.load("embedded", [LR]), tmp_path)
    prepare(settings.load("embedded", [LR, "train.log_steps=7"]), tmp_path)
    assert settings.load(str(tmp_path / CONFIG)).train.log_steps == 7
    with pytest.raises(ConfigError, match=r"made with optim\.lr=0\.02, now it is 0\.1; choose"):
        prepare(settings.load("embedded", ["optim.lr=0.1"]), tmp_path)


@pytest.mark.parametrize("text", [b"", b"train: [1", b"\xff\xfe", b"- 1\n"])
def test_a_configuration_that_cannot_be_read_stops_no_run(tmp_path, text):
    (tmp_path / CONFIG).write_bytes(text)
    prepare(settings.load("embedded", [LR]), tmp_path)
    assert settings.load(str(tmp_path / CONFIG)).optim.lr == 0.02


def test_a_write_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    prepare(settings.load("embedded"), tmp_path)
    before = (tmp_path / CONFIG).read_bytes()

    def full(handle):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        prepare(settings.load("embedded", ["train.log_steps=7"]), tmp_path)
    assert (tmp_path / CONFIG).read_bytes() == before
