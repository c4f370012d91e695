"""The live checkpoint changes without a lost request, and never to a damaged one."""

import asyncio
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from calcgen_ray.errors import CheckpointError, InputError
from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.registry.store import Registry
from calcgen_ray.serving import generation
from calcgen_ray.serving.access import Policy
from calcgen_ray.serving.api import build_api
from calcgen_ray.serving.backend import Backend
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.loading import close, load, load_first
from calcgen_ray.serving.metrics import Metrics
from calcgen_ray.serving.models import Models
from tests.unit.serving.conftest import (
    BASE,
    HERE,
    await_true,
    client_of,
    damage,
    open_batcher,
)  # fmt: skip


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
        assert old.batcher.scores([1, 2], 0).values
        with models.use(None) as new:
            assert new is not old
    assert await_true(lambda: not old.batcher.alive) and models.live.batcher.alive


def test_others_are_served_by_their_id(models, registry, steps):
    second = registry.promote(steps[1], "two", to_ctranslate2)
    with models.use(second.id) as other:
        assert other.id == second.id and models.live.id != second.id
        assert models.find(second.id) is other
    with models.use("best") as live:
        assert live is models.live
    for name in ("../one", "/etc", ".", "..", f"../models/{second.id}"):
        with pytest.raises(ApiError, match="served here"), models.use(name):
            pass


def test_ids_resolve_within_the_registry_only(models, opened, registry):
    outside = registry.root / "outside"
    shutil.copytree(registry.live().path, outside)
    with client_of(models) as client:
        for name in (
            "..%2F..",
            "..%2Foutside",
            "%2Fetc%2Fpasswd",
            "%2E%2E%2F",
            "%00",
            "a" * 10_000,
        ):
            assert client.get(f"/v1/models/{name}").status_code == 404, name
        for name in ("../outside", str(outside), f"../models/{models.live.id}", "\0"):
            answer = client.post("/v1/completions", json={"prompt": "x", "model": name})
            assert answer.status_code == 404, name
    assert opened.folders == []


def test_asking_what_a_model_is_loads_nothing(models, opened, registry, steps):
    second = registry.promote(steps[1], "two", to_ctranslate2)
    with client_of(models) as client:
        for name in (second.id, models.live.id, "best"):
            assert client.get(f"/v1/models/{name}").json()["id"] == name
        assert client.get("/v1/models/none").status_code == 404
        assert opened.folders == []


def test_first_requests_at_once_load_once(models, opened, registry, steps):
    second = registry.promote(steps[1], "two", to_ctranslate2)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(models.acquire, [second.id] * 8))
    assert opened.folders == [second.path] and len(set(map(id, found))) == 1
    assert found[0].users == 8
    for model in found:
        models.release(model)
    assert found[0].users == 0 and found[0].batcher.alive


def test_one_that_makes_room_is_kept_for_those_who_use_it(models, registry, steps):
    ids = [registry.promote(steps[1], name, to_ctranslate2).id for name in ("a", "b", "c")]
    first = models.acquire(ids[0])
    for name in ids[1:]:
        with models.use(name):
            pass
    assert first.retired and first.batcher.alive
    assert first.batcher.scores([1, 2], 0).values
    with models.use(ids[0]) as again:
        assert again is not first and again.users == 1
    models.release(first)
    assert await_true(lambda: not first.batcher.alive)


def test_one_whose_engine_is_lost_is_loaded_again(models, opened, registry, steps):
    second = registry.promote(steps[1], "two", to_ctranslate2)
    with models.use(second.id) as lost:
        lost.batcher.close()
        with models.use(second.id) as again:
            assert again is not lost and again.batcher.alive
    assert lost.retired and opened.folders == [second.path] * 2
    assert models.find(second.id) is again


def test_a_client_that_leaves_while_its_model_loads_holds_nothing(models, opened, registry, steps):
    second = registry.promote(steps[1], "two", to_ctranslate2)
    opened.seconds = 0.3

    async def leave():
        task = asyncio.create_task(models.acquired(second.id))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert await_true(lambda: models.find(second.id) is not None)
    assert await_true(lambda: models.find(second.id).users == 0)


@pytest.mark.parametrize("wrong", ["cut", "nan", "engine"])
def test_a_damaged_one_is_not_served_by_its_id(models, registry, steps, wrong, caplog):
    second = registry.promote(steps[1], "two", to_ctranslate2)
    damage(second.path, wrong)
    with client_of(models) as client:
        answer = client.post("/v1/completions", json={"prompt": "x", "model": second.id})
    assert answer.status_code == 503
    told = answer.json()["error"]["message"]
    assert second.id in told and "/" not in told
    assert str(second.path) in caplog.text


@pytest.mark.parametrize("wrong", ["cut", "nan", "gone"])
def test_a_damaged_one_is_not_taken(models, registry, steps, tmp_path, wrong):
    first = models.live.id
    entry = registry.promote(steps[1], "two", to_ctranslate2)
    damage(entry.path, wrong)
    with pytest.raises(CheckpointError):
        models.refresh()
    assert models.live.id == first and models.live.batcher.alive


def test_nothing_to_roll_back_to(registry):
    with pytest.raises(InputError, match="nothing was live before"):
        registry.roll_back()


@pytest.mark.parametrize("by", ["nothing", "id"])
def test_a_swap_under_load_loses_nothing(registry, steps, by):
    """With the entry's id too, which is the live one's before the swap and loaded anew after it."""
    entry = registry.live()
    backend = Backend(Models(load(entry.path, entry.id, open_batcher), registry, open_batcher))
    stop, answers = threading.Event(), []
    asked = {"prompt": "x", "max_tokens": 30} | ({"model": entry.id} if by == "id" else {})

    def ask():
        while not stop.is_set():
            answers.append(client.post("/v1/completions", json=asked))

    with TestClient(build_api(backend, Policy()), base_url=BASE, client=HERE) as client:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert await_true(lambda: len(answers) > 10)
        second = registry.promote(steps[1], "two", to_ctranslate2)
        swapped = await_true(lambda: backend.models.live.id == second.id)
        seen = len(answers)
        more = await_true(lambda: len(answers) > seen + 10)
        stop.set()
        for thread in threads:
            thread.join()
    backend.close()
    assert swapped and more
    assert {answer.status_code for answer in answers} == {200}
    digests = {answer.json()["system_fingerprint"] for answer in answers}
    assert digests == ({entry.digest} if by == "id" else {entry.digest, second.digest})


def test_a_replica_that_comes_later_serves_what_is_live_now(registry, steps):
    second = registry.promote(steps[1], "two", to_ctranslate2)
    now = load_first(registry, "name", open_batcher)
    assert (now.id, now.entry, now.digest) == ("name", second.id, second.digest)
    close(now)
    damage(second.path, "cut")
    assert load_first(registry, None, open_batcher) is None
    assert load_first(Registry(registry.root / "empty"), None, open_batcher) is None
    assert load_first(None, None, open_batcher) is None


def test_what_is_refused_is_told_without_paths(models, registry, steps, caplog):
    second = registry.promote(steps[1], "two", to_ctranslate2)
    damage(second.path, "cut")
    with caplog.at_level("WARNING"):
        watching = Models(models.live, registry, open_batcher)
        assert await_true(lambda: watching.refused)
        watching._closing.set()
    assert watching.refused == f"{second.id} is not taken; the log says why"
    assert str(second.path) in caplog.text


def test_a_client_that_leaves_frees_its_rows(models):
    metrics = Metrics(lambda: None)

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
