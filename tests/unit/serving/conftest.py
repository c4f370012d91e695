"""The endpoint's routes without Ray: a tiny model behind a test client."""

import pytest
from starlette.testclient import TestClient

from calcgen_ray.generate.batcher import Batcher
from calcgen_ray.generate.ctranslate2_engine import CTranslate2Engine
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
