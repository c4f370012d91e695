"""The head dies with all that it knew: what was promoted is served again from disk alone."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.local_cluster import processes
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.registry.store import Registry

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

CONFIG = Path(__file__).parents[2] / "serve" / "config.yaml"


@pytest.fixture
def deployed(tmp_path, tiny_model):
    """The deploy file of this repository, with a registry and a port of the test's own."""
    model, tokenizer = load_model(str(tiny_model)), load_model_tokenizer(str(tiny_model))

    def fill(draft):
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)

    step = checkpoints.write_folder(tmp_path / "step", fill, step=1, metrics={"perplexity": 9.0})
    entry = Registry(tmp_path / "registry").promote(step.path, "tiny", to_ctranslate2)
    body = yaml.safe_load(CONFIG.read_text("utf-8"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    body["http_options"]["port"] = port
    body["applications"][0]["args"] |= {"registry": str(tmp_path / "registry")}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(body))
    return path, f"http://127.0.0.1:{port}", entry.id


def serve(machines, *words):
    env = {**os.environ, **machines.state.variables,
           "RAY_DASHBOARD_ADDRESS": machines.state.plan.dashboard}  # fmt: skip
    env.pop("RAY_ADDRESS")
    return subprocess.run(
        [sys.executable, "-m", "ray.serve.scripts", *words], capture_output=True, text=True,
        env=env, timeout=120,
    )  # fmt: skip


def answer(machines, path, url):
    """Deploys, waits until it is ready, and returns the model's id, digest and a completion."""
    done = serve(machines, "deploy", str(path))
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 120
    while True:
        try:
            if httpx.get(f"{url}/ready", trust_env=False).status_code == 200:
                break
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, serve(machines, "status").stdout
        time.sleep(0.5)
    status = serve(machines, "status")
    assert status.returncode == 0 and "RUNNING" in status.stdout
    [model] = httpx.get(f"{url}/v1/models", trust_env=False).json()["data"]
    body = {"model": model["id"], "prompt": "# x", "max_tokens": 8, "temperature": 0}
    found = httpx.post(f"{url}/v1/completions", json=body, trust_env=False, timeout=60).json()
    return model["id"], found["system_fingerprint"], found["choices"][0]["text"]


def test_a_head_that_died_is_replaced_and_serves_the_same(machines, deployed):
    path, url, entry = deployed
    before = answer(machines, path, url)
    assert before[0] == entry
    processes.kill_node(machines.state.ident, "head")
    assert serve(machines, "status").returncode != 0
    machines.mend()
    assert answer(machines, path, url) == before
    assert serve(machines, "shutdown", "-y").returncode == 0
