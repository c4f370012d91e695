"""Starting, replacing and refusing an endpoint on a real Ray Serve."""

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
import yaml

from calcgen_ray.errors import CheckpointError, InputError, ResourceError
from calcgen_ray.serving import driver
from calcgen_ray.serving.args import ServeArgs
from tests.serve.conftest import await_true
from tests.serve.traffic import Traffic

pytestmark = pytest.mark.serve

ROOT = Path(__file__).parents[2]


def test_port_in_use(args, monkeypatch):
    monkeypatch.setattr(driver, "_up", [])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"127.0.0.1:{port} .*in use.*set serve.port"):
            driver.start(args, port=port)


def test_one_endpoint_a_process(url, args, free_port):
    with pytest.raises(InputError, match=r"serves on port .* already"):
        driver.start(args, port=free_port())


def test_more_than_the_cluster_has(url, args):
    port = int(url.rsplit(":", 1)[1])
    with pytest.raises(ResourceError, match=r"serve\.replicas=1000 x 0\.5 CPU = 500 CPU"):
        driver.start(args.model_copy(update={"replicas": 1000}), port=port)
    assert httpx.get(f"{url}/health").status_code == 200


def test_nothing_to_serve(url, args, tmp_path):
    port = int(url.rsplit(":", 1)[1])
    with pytest.raises(InputError, match="calcgen promote RUN"):
        driver.start(ServeArgs(registry=str(tmp_path)), port=port)
    with pytest.raises(CheckpointError):
        driver.start(ServeArgs(checkpoint=str(tmp_path)), port=port)
    assert httpx.get(f"{url}/health").status_code == 200


@pytest.mark.parametrize("wrong", ["cut", "nan"])
def test_a_bad_checkpoint_is_refused_before_anything_is_replaced(url, entry, tmp_path, wrong):
    port, bad = int(url.rsplit(":", 1)[1]), tmp_path / "bad"
    shutil.copytree(entry.path, bad, ignore=shutil.ignore_patterns("calcgen.json", "engine-int8"))
    weights = bad / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100] if wrong == "cut" else whole[:-4] + b"\0\0\xc0\x7f")
    with Traffic(url, 2, pause=0.05) as traffic:
        with pytest.raises(CheckpointError, match="cut off" if wrong == "cut" else "nan"):
            driver.start(ServeArgs(checkpoint=str(bad)), port=port)
        assert await_true(lambda: len(traffic.good) > 4, 30)
    assert not traffic.failed and not traffic.wrong


@pytest.mark.parametrize("name", ["config.yaml", "gpu.yaml"])
def test_deploy_file(args, tmp_path, name):
    from ray import serve
    from ray.serve.schema import ServeDeploySchema

    from calcgen_ray.serving.app import build

    body = yaml.safe_load((ROOT / "serve" / name).read_text("utf-8"))
    [application] = ServeDeploySchema.model_validate(body).applications
    assert application.import_path == f"{build.__module__}:{build.__name__}"
    told = ServeArgs(**application.args)
    (tmp_path / "keys").write_text("0123456789abcdef\n")
    here = {"registry": args.registry, "keys_file": told.keys_file and str(tmp_path / "keys")}
    assert isinstance(build(told.model_copy(update=here)), serve.Application)


def test_a_deploy_file_with_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match="replcas"):
        ServeArgs(replcas=2)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "no reason told"),
        ("deploying\n  1 replica short", "1 replica short"),
        ("Traceback:\n  File x\na.errors.InputError: n: got 3\n\nretried", "InputError: n: got 3"),
    ],
)
def test_a_traceback_comes_down_to_a_line(text, line):
    assert driver._last_line(text) == line


def test_overflow_is_told_and_what_is_served_is_replaced(url, args):
    port = int(url.rsplit(":", 1)[1])
    narrow = args.model_copy(update={"max_queued_requests": 1, "model": "narrow"})
    assert driver.start(narrow, port=port) == url
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as api:
        assert [model.id for model in api.models.list().data] == ["narrow"]

        def ask(_):
            try:
                api.completions.create(model="narrow", prompt="x", max_tokens=200, n=32)
            except openai.RateLimitError as error:
                return error.response.headers["retry-after"], error.type
            return "answered"

        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(ask, range(6)))
    assert "answered" in found
    assert ("1", "rate_limit_error") in found
    assert set(found) == {"answered", ("1", "rate_limit_error")}
    assert driver.start(args, port=port) == url
