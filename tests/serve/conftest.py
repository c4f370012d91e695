"""One endpoint on a real Ray Serve, with a tiny promoted model, for all tests here."""

import os
import re
import socket
import time
from pathlib import Path

import httpx
import openai
import pytest

from calcgen_ray import cluster
from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.registry.store import Registry
from calcgen_ray.serving import driver
from calcgen_ray.serving.args import ServeArgs


@pytest.fixture(scope="session")
def free_port():
    """Finds a port that nobody listens on."""

    def find():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


@pytest.fixture(scope="session")
def entry(tmp_path_factory, tiny_model):
    root = tmp_path_factory.mktemp("served")
    model, tokenizer = load_model(str(tiny_model)), load_model_tokenizer(str(tiny_model))

    def fill(draft):
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)

    checkpoint = checkpoints.write_folder(root / "step", fill, step=1, metrics={"perplexity": 9.0})
    return Registry(root / "registry").promote(checkpoint.path, "tiny", to_ctranslate2)


@pytest.fixture(scope="session")
def args(entry):
    return ServeArgs(registry=str(entry.path.parents[1]), model="tiny", cpus=0.5)


@pytest.fixture(scope="session")
def url(args, free_port):
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cluster.connect()
    yield driver.start(args, port=free_port())
    driver.stop()
    cluster.disconnect()


@pytest.fixture(scope="session")
def api(url):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as api:
        yield api


@pytest.fixture(scope="session")
def figure(url):
    """Reads one figure of the endpoint's `/metrics`."""

    def read(name):
        text = httpx.get(f"{url}/metrics", timeout=30).text
        return float(re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)", text, re.MULTILINE)[1])

    return read


def actors(title):
    """Ids of the processes that Ray calls so, of this process's own cluster alone."""
    parents, titles = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                titles[int(entry.name)] = (entry / "cmdline").read_bytes().decode()
            except OSError:
                continue
            if stat[0] != "Z":
                parents[int(entry.name)] = int(stat[1])

    def ours(pid):
        while pid in parents and pid != os.getpid():
            pid = parents[pid]
        return pid == os.getpid()

    return [pid for pid in parents if titles[pid].startswith(f"ray::{title}") and ours(pid)]


def await_true(condition, seconds):
    """Waits until it holds, and returns whether it did."""
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return bool(found)
