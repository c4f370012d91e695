"""The live checkpoint changes without a lost request, and never to a damaged one."""

import asyncio
import shutil
import time

import pytest
from starlette.testclient import TestClient

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.generate.engine import SamplingParams, open_engine
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.registry.store import Registry
from calcgen_ray.serving import generation
from calcgen_ray.serving.access import Policy
from calcgen_ray.serving.api import Backend, build_api
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.metrics import Metrics
from calcgen_ray.serving.models import Models, load


@pytest.fixture(scope="module")
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
def models(registry):
    entry = registry.live()
    made = Models(load(entry.path, entry.id, open_engine), None, open_engine)
    made._registry = registry  # polled by hand
    yield made
    made.close()


def test_a_promotion_is_taken_and_rolled_back(models, registry, steps):
    first = models.live.id
    assert not models.refresh()
    second = registry.promote(steps[1], "two", to_ctranslate2)
    assert models.refresh() and models.live.id == second.id
    assert models.live.digest == second.digest
    assert registry.roll_back().id == first
    assert models.refresh() and models.live.id == first
    assert models.names() == [first, second.id]


def test_one_in_use_is_closed_after_its_last_request(models, registry, steps):
    with models.use(None) as old:
        registry.promote(steps[1], "two", to_ctranslate2)
        models.refresh()
        assert old.batcher.alive
        assert old.engine.generate(["x"], SamplingParams(2, temperature=0))
        with models.use(None) as new:
            assert new is not old
    assert not old.batcher.alive and models.live.batcher.alive


def test_others_are_served_by_their_id(models, registry, steps):
    second = registry.promote(steps[1], "two", to_ctranslate2)
    with pytest.raises(ApiError, match="served here"), models.use(second.id):
        pass  # not loaded yet
    models.ensure(second.id)
    with models.use(second.id) as other:
        assert other.id == second.id and models.live.id != second.id
    with models.use("best") as live:
        assert live is models.live
    with pytest.raises(ApiError, match="served here"), models.use("../one"):
        pass


@pytest.mark.parametrize("wrong", ["cut", "nan", "gone"])
def test_a_damaged_one_is_not_taken(models, registry, steps, tmp_path, wrong):
    first = models.live.id
    entry = registry.promote(steps[1], "two", to_ctranslate2)
    path = entry.path / "model.safetensors"
    if wrong == "gone":
        shutil.rmtree(entry.path)
    else:
        data = bytearray(path.read_bytes())
        path.write_bytes(data[: len(data) // 2] if wrong == "cut" else data[:-4] + b"\0\0\xc0\x7f")
    with pytest.raises(CheckpointError):
        models.refresh()
    assert models.live.id == first and models.live.batcher.alive


def test_nothing_to_roll_back_to(registry):
    with pytest.raises(InputError, match="nothing was live before"):
        registry.roll_back()


def test_a_swap_under_load_loses_nothing(registry, steps):
    entry = registry.live()
    backend = Backend(Models(load(entry.path, entry.id, open_engine), registry, open_engine))
    seen, number, end = set(), 0, time.monotonic() + 60
    with TestClient(build_api(backend, Policy()), base_url="http://127.0.0.1") as client:
        while time.monotonic() < end:
            number += 1
            if number == 10:
                second = registry.promote(steps[1], "two", to_ctranslate2)
            answer = client.post("/v1/completions", json={"prompt": "x", "max_tokens": 30})
            assert answer.status_code == 200, answer.text
            seen.add(answer.json()["system_fingerprint"])
            if seen == {entry.digest, second.digest if number >= 10 else ""}:
                break
    backend.close()
    assert seen == {entry.digest, second.digest}


def test_a_client_that_leaves_frees_its_rows(models):
    metrics = Metrics(lambda: 0, lambda: 0, lambda: 0)

    async def leave():
        with metrics.timed() as clock:
            asked = generation.complete(
                models.live.batcher, ["x", "y"], SamplingParams(200, temperature=1.5), clock
            )
            task = asyncio.create_task(asked)
            while not clock.tokens:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        for _ in range(200):
            if not models.live.batcher.running and not models.live.batcher.waiting:
                return clock.tokens
            await asyncio.sleep(0.01)
        raise AssertionError("rows are still there")

    assert asyncio.run(leave()) < 400
