"""A bucket as storage, against an S3 server on loopback; and nodes that do not see a folder."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import torch
from moto.server import ThreadedMotoServer
from safetensors.torch import load_file

from calcgen_ray import cluster, settings
from calcgen_ray.errors import ConfigError, ResourceError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.registry.locate import find_checkpoint
from calcgen_ray.storage import Mirror
from calcgen_ray.train import journal
from calcgen_ray.train.driver import train
from calcgen_ray.train.kept import CHECKPOINTS

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Of this machine's copies, and of Ray's processes."""
    folder = tmp_path_factory.mktemp("home")
    token = Path.home() / ".ray"  # Ray keeps the one that it has read first
    token.mkdir(exist_ok=True)
    (folder / ".ray").symlink_to(token)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield folder


@pytest.fixture(scope="module")
def bucket(home):
    """URI of a folder in a bucket, with one name to fill in."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(
        Bucket="bucket"
    )
    yield f"s3://bucket/{{}}?scheme=http&endpoint_override={host}:{port}&region=us-east-1"
    server.stop()


@pytest.fixture(scope="module")
def joined(home, bucket):
    cluster.connect(dashboard=False)
    yield
    cluster.disconnect()


def run(config, corpus, uri):
    """One training as a machine does it that has nothing of it but the bucket and the corpus."""
    shutil.rmtree(Path.home() / ".cache" / "calcgen", ignore_errors=True)
    mirror = Mirror(uri, "driver")
    built = mirror.root / "corpora" / "one"
    shutil.copytree(corpus, built)
    result = train(config, built, mirror.root / "run", lambda entry: None, mirror)
    return result, mirror


def test_a_run_in_a_bucket_goes_on_on_a_machine_that_has_nothing(
    tiny_config, corpus, bucket, joined, tmp_path
):
    uri = bucket.format("runs")
    config = settings.replace(tiny_config, {"run.storage": uri, "workers.count": 2})
    whole, mirror = run(config, corpus, uri)
    assert whole.perplexity_final < whole.perplexity_initial
    names = mirror.names(mirror.root / "run" / CHECKPOINTS)
    assert names == [p.name for p in sorted((mirror.root / "run" / CHECKPOINTS).iterdir())]
    weights = load_file(
        checkpoints.latest(mirror.root / "run/checkpoints").path / "model.safetensors"
    )

    again, _ = run(config, corpus, uri)  # finished: nothing is trained
    assert again.steps == whole.steps and again.loss_final == whole.loss_final

    # As if it had been broken off: the newest checkpoint and the last lines are not there.
    mirror = Mirror(uri, "driver")
    mirror.delete(mirror.root / "run" / CHECKPOINTS / names[-1])
    before = int(names[-2].removeprefix(checkpoints.PREFIX))
    path = mirror.root / "run" / journal.JOURNAL
    journal.rewind(path, before)
    mirror.push(path)
    resumed, mirror = run(config, corpus, uri)
    starts = [
        e for e in journal.read(mirror.root / "run" / journal.JOURNAL) if e["event"] == "start"
    ]
    assert starts[-1]["step"] == before > 0
    found = find_checkpoint(bucket.format("runs/run"), tmp_path)
    after = load_file(found / "model.safetensors")
    assert resumed.steps == whole.steps
    assert all(torch.equal(after[name], value) for name, value in weights.items())


@pytest.mark.chaos
def test_a_run_that_was_deleted_from_the_bucket_begins_anew(tiny_config, corpus, bucket, joined):
    uri = bucket.format("anew")
    config = settings.replace(tiny_config, {"run.storage": uri, "train.epochs": 1})
    _, mirror = run(config, corpus, uri)
    mirror.delete(mirror.root / "run")
    changed = settings.replace(config, {"optim.lr": 1e-4})
    heard = []
    train(changed, mirror.root / "corpora/one", mirror.root / "run", heard.append, mirror)
    assert [e["step"] for e in heard if e["event"] == "start"] == [0]
    with pytest.raises(ConfigError, match=r"made with optim\.lr=0\.0001"):
        run(config, corpus, uri)


@pytest.mark.chaos
def test_a_checkpoint_that_is_cut_in_the_bucket_is_not_taken(tiny_config, corpus, bucket, joined):
    uri = bucket.format("cut")
    config = settings.replace(tiny_config, {"run.storage": uri})
    _, mirror = run(config, corpus, uri)
    names = mirror.names(mirror.root / "run" / CHECKPOINTS)
    weights = mirror.root / "run" / CHECKPOINTS / names[-1] / "model.safetensors"
    os.truncate(weights, 1000)
    mirror.push(weights)
    path = mirror.root / "run" / journal.JOURNAL
    journal.rewind(path, int(names[-1].removeprefix(checkpoints.PREFIX)))
    lines = [line for line in path.read_text().splitlines() if '"event": "end"' not in line]
    path.write_text("\n".join(lines) + "\n")
    mirror.push(path)
    result, mirror = run(config, corpus, uri)
    starts = [
        e for e in journal.read(mirror.root / "run" / journal.JOURNAL) if e["event"] == "start"
    ]
    assert starts[-1]["step"] == int(names[-2].removeprefix(checkpoints.PREFIX))
    assert checkpoints.verify(result.checkpoint)


def test_bad_buckets_are_one_line(tiny_config, corpus, bucket, joined, tmp_path):
    with pytest.raises(ResourceError, match=r"run\.storage: .*s3://nosuch/runs"):
        run(tiny_config, corpus, bucket.format("runs").replace("//bucket", "//nosuch"))
    with pytest.raises(ConfigError, match="ftp://x/y"):
        Mirror("ftp://x/y", "driver")
    with pytest.raises(ResourceError, match="holds nothing there"):
        find_checkpoint(bucket.format("nothing"), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "calcgen_ray", "tune", "embedded", "run.storage=s3://bucket/runs"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "only `calcgen train` works in a bucket" in done.stderr
