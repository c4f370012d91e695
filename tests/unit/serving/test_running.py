"""The endpoint's sandbox: strict by default, and it says what is missing."""

import asyncio

import pytest

from calcgen_ray.config import Config
from calcgen_ray.judge import sandbox
from calcgen_ray.judge.isolation.layers import Layer
from calcgen_ray.serving.args import ServeArgs
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.running import MAX_WAITING, CodeRunner, RunRequest


def test_strict_is_the_default_where_strangers_send_code():
    assert ServeArgs().isolation == "strict" and Config().serve.isolation == "strict"


def test_strict_runs_nothing_where_a_layer_is_missing(monkeypatch):
    monkeypatch.setattr(sandbox, "probe", lambda: [Layer("seccomp", False, "not in this kernel")])
    runner = CodeRunner("strict", 5.0, 4 << 30)
    try:
        with pytest.raises(ApiError) as caught:
            asyncio.run(runner.run(RunRequest(code="print(1)")))
    finally:
        runner.close()
    assert caught.value.status == 503
    assert "serve.isolation is strict" in caught.value.message
    assert "seccomp (not in this kernel)" in caught.value.message


def test_too_many_at_once_are_told_to_come_back():
    runner = CodeRunner("basic", 5.0, 4 << 30)

    async def crowd():
        jobs = [runner.run(RunRequest(code="pass")) for _ in range(MAX_WAITING + 3)]
        return await asyncio.gather(*jobs, return_exceptions=True)

    try:
        found = asyncio.run(crowd())
    finally:
        runner.close()
    refused = [one for one in found if isinstance(one, ApiError)]
    assert len(refused) == 3 and {one.status for one in refused} == {429}
    assert all(one.ran for one in found if not isinstance(one, ApiError))
