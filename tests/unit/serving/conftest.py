"""The endpoint's routes without Ray: a tiny model behind a test client."""

import json
import shutil
import time

import pytest
from starlette.testclient import TestClient

from calcgen_ray.generate.batcher import Batcher
from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.generate.ctranslate2_engine import CTranslate2Engine
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.registry.store import Registry
from calcgen_ray.serving.access import Policy
from calcgen_ray.serving.api import build_api
from calcgen_ray.serving.backend import Backend
from calcgen_ray.serving.loading import load
from calcgen_ray.serving.models import Models

BASE = "http://127.0.0.1:8000"
HERE = ("127.0.0.1", 50000)
"""A client on this machine."""


def open_batcher(folder):
    return Batcher(CTranslate2Engine.open(folder))


@pytest.fixture(scope="session")
def open_tiny(tiny_model):
    return lambda folder: open_batcher(tiny_model)


@pytest.fixture(scope="session")
def backend(open_tiny, tiny_model):
    made = Backend(Models(load(tiny_model, "tiny", open_tiny), None, open_tiny))
    yield made
    made.close()


@pytest.fixture
def client(backend):
    with TestClient(build_api(backend, Policy()), base_url=BASE, client=HERE) as client:
        yield client


class Counting:
    """Opens engines and keeps which."""

    def __init__(self):
        self.folders, self.seconds = [], 0.0

    def __call__(self, folder):
        self.folders.append(folder)
        time.sleep(self.seconds)
        return open_batcher(folder)


@pytest.fixture(scope="session")
def steps(tmp_path_factory, tiny_model):
    """Two checkpoints with different weights."""
    root, made = tmp_path_factory.mktemp("steps"), []
    for step in (1, 2):
        model, tokenizer = load_model(str(tiny_model)), load_model_tokenizer(str(tiny_model))
        for weight in model.parameters():
            weight.data *= 1 + step / 10

        def fill(draft, model=model, tokenizer=tokenizer):
            model.save_pretrained(draft)
            tokenizer.save_pretrained(draft)

        made.append(checkpoints.write_folder(root / str(step), fill, step=step, metrics={}).path)
    return made


@pytest.fixture
def registry(tmp_path, steps):
    registry = Registry(tmp_path / "registry")
    registry.promote(steps[0], "one", to_ctranslate2)
    return registry


@pytest.fixture
def opened():
    return Counting()


@pytest.fixture
def models(registry, opened):
    entry = registry.live()
    made = Models(load(entry.path, entry.id, open_batcher), None, opened)
    made._registry = registry  # polled by hand
    yield made
    made.close()


def await_true(condition, seconds=20):
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.01)
    return bool(found)


def client_of(models):
    return TestClient(build_api(Backend(models), Policy()), base_url=BASE, client=HERE)


def damage(folder, wrong):
    if wrong == "gone":
        shutil.rmtree(folder)
        return
    engine = folder / "engine-int8" / "model.bin"
    path = engine if wrong == "engine" else folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    path.write_bytes(data[: len(data) // 2] if wrong == "cut" else data[:-4] + b"\0\0\xc0\x7f")
    if wrong == "nan":  # and the manifest says that it must be so
        manifest = folder / checkpoints.MANIFEST
        body = json.loads(manifest.read_text())
        body["files"][path.name]["sha256"] = checkpoints.sha256(path)
        manifest.write_text(json.dumps(body))
