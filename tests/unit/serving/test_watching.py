"""Promotions that a replica sees by itself, and registries in which something is wrong."""

import json
import time

import pytest

from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.registry.store import PROMOTED, Registry
from calcgen_ray.serving.loading import close, load_entry
from calcgen_ray.serving.models import Models
from tests.unit.serving.conftest import (
    await_true,
    client_of,
    damage,
    open_batcher,
)  # fmt: skip


@pytest.fixture
def watching(models, registry, monkeypatch):
    """One that looks at the registry by itself, often."""
    monkeypatch.setattr("calcgen_ray.serving.models.POLL_SECONDS", 0.02)
    made = Models(models.live, registry, open_batcher)
    yield made
    made._closing.set()
    if made.live is not models.live:
        close(made.live)


def test_what_is_refused_is_not_read_again_until_it_is_promoted_anew(
    watching, registry, steps, monkeypatch, caplog
):
    tries = []
    monkeypatch.setattr(
        "calcgen_ray.serving.models.load_entry",
        lambda folder, *given: tries.append(folder) or load_entry(folder, *given),
    )
    second = registry.promote(steps[1], "two", to_ctranslate2)
    assert await_true(lambda: watching.live.id == second.id)
    registry.roll_back()
    assert await_true(lambda: watching.live.id != second.id)
    damage(second.path, "cut")
    tries.clear()
    registry._make_live(second.id)
    assert await_true(lambda: watching.refused)
    time.sleep(0.3)
    assert len(tries) == 1 and caplog.text.count("is not taken") == 1
    registry.promote(steps[1], "two", to_ctranslate2)  # copied anew, since it does not verify
    assert await_true(lambda: watching.live.id == second.id) and not watching.refused


def test_a_registry_that_cannot_be_read_for_a_while_stops_nothing(
    watching, registry, steps, monkeypatch, caplog
):
    with monkeypatch.context() as patch:

        def stale(self):
            raise OSError(116, "Stale file handle")

        patch.setattr(Registry, "live_id", stale)
        assert await_true(lambda: watching.refused)
        assert watching.refused == "promoted.json is not taken; the log says why"
        time.sleep(0.2)
    assert caplog.text.count("Stale file handle") == 1
    second = registry.promote(steps[1], "two", to_ctranslate2)
    assert await_true(lambda: watching.live.id == second.id) and not watching.refused


@pytest.mark.parametrize("text", ["{", "[]", '{"live": "two", "history": [1]}',
                                  '{"live": "two", "history": [{"id": "two"}]}'])  # fmt: skip
def test_a_damaged_registry_leaves_the_live_one_to_be_asked(models, registry, steps, text):
    other = registry.promote(steps[1], "two", to_ctranslate2).id
    (registry.root / PROMOTED).write_text(text)
    with client_of(models) as client:
        assert [card["id"] for card in client.get("/v1/models").json()["data"]] == [models.live.id]
        body = {"prompt": "x", "max_tokens": 1}
        assert client.post("/v1/completions", json=body).status_code == 200
        assert client.post("/v1/completions", json=body | {"model": other}).status_code == 404


def test_an_entry_without_a_length_is_listed_with_the_live_ones(models, registry, steps):
    other = registry.promote(steps[1], "two", to_ctranslate2)
    for text in ("[]", "{", '{"n_positions": "x"}'):
        (other.path / "config.json").write_text(text)
        with client_of(models) as client:
            cards = client.get("/v1/models").json()["data"]
        assert [card["max_model_len"] for card in cards] == [256, 256], text


def test_each_entry_is_listed_with_its_own_length(models, registry, steps):
    other = registry.promote(steps[1], "two", to_ctranslate2)
    config = json.loads((other.path / "config.json").read_text())
    (other.path / "config.json").write_text(json.dumps(config | {"n_positions": 128}))
    with client_of(models) as client:
        cards = {card["id"]: card for card in client.get("/v1/models").json()["data"]}
        assert cards[other.id] == client.get(f"/v1/models/{other.id}").json()
    assert cards[other.id]["max_model_len"] == 128
    assert cards[models.live.id]["max_model_len"] == 256
