"""Log probabilities: on threads of their own, for as long as somebody waits, each token once."""

import asyncio
import contextlib
import threading
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray.errors import InputError
from calcgen_ray.generate.scoring import Scores
from calcgen_ray.serving import scores
from calcgen_ray.serving.access import Policy
from calcgen_ray.serving.api import build_api


def scoring(backend, prompts, seconds):
    """Scores prompts over ASGI and leaves after so many seconds: threads that computed."""
    names, plain = [], backend.models.live.batcher.engine.log_probs

    def log_probs(ids):
        names.append(threading.current_thread().name)
        time.sleep(0.03)
        return plain(ids)

    async def ask():
        transport = httpx.ASGITransport(build_api(backend, Policy()))
        body = {"prompt": prompts, "max_tokens": 0, "echo": True, "logprobs": 1}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            asked = client.post("/v1/completions", json=body)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asked, seconds)
        await asyncio.sleep(0.3)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend.models.live.batcher.engine, "log_probs", log_probs)
        asyncio.run(ask())
    return names


def test_scores_are_made_on_threads_of_their_own_and_end_with_the_client(backend):
    names = scoring(backend, ["x y", "y z"], 30)
    assert len(names) == 2 and all(name.startswith("scoring") for name in names)
    assert 0 < len(scoring(backend, ["x y"] * 64, 0.2)) < 20
    assert backend.active == 0


def test_tokens_of_half_characters_join_to_the_text(client):
    text = "# π∫𝑥 é\n"
    body = {"prompt": text, "max_tokens": 0, "echo": True, "logprobs": 0}
    found = client.post("/v1/completions", json=body).json()["choices"][0]["logprobs"]
    assert "".join(found["tokens"]) == text and "" in found["tokens"]
    ends = [
        at + len(token) for at, token in zip(found["text_offset"], found["tokens"], strict=True)
    ]
    assert ends[:-1] == found["text_offset"][1:] and ends[-1] == len(text)


BYTES = [
    "xπ∫𝑥".encode() * 200,
    b"\x80" * 1500,
    b"\xf0\x9f\x98" * 500,
    b"\xff\xf0\x9f\x98\x80" * 300,
]


@pytest.mark.parametrize("many", BYTES)
def test_texts_of_tokens_are_made_in_one_pass(many):
    class Counting:
        """Bytes as tokens; counts those that are decoded."""

        decoded = 0

        @property
        def tokenizer(self):
            return self

        def decode(self, ids, **_):
            self.decoded += len(ids)
            return bytes(ids).decode("utf-8", "replace")

        def scores(self, ids, top):
            return Scores([0.0] * (len(ids) - 1), [])

    engine, text = Counting(), many.decode("utf-8", "replace")
    found = scores.scored(engine, list(many), [], 0, echo=True)
    assert "".join(found["tokens"]) == text and max(map(len, found["tokens"])) <= 8
    assert engine.decoded <= 30 * len(many)


@given(st.binary(max_size=60))
def test_texts_of_any_bytes_join_to_the_text(many):
    class Plain:
        def decode(self, ids, **_):
            return bytes(ids).decode("utf-8", "replace")

    tokens = scores._texts(Plain(), list(many))
    assert "".join(tokens) == many.decode("utf-8", "replace") and len(tokens) == len(many)


def test_a_prompt_that_ends_in_half_a_character_keeps_its_tokens(client):
    whole = client.post("/v1/completions", json={"prompt": "é", "max_tokens": 0, "echo": True,
                                                 "logprobs": 0}).json()  # fmt: skip
    assert len(whole["choices"][0]["logprobs"]["tokens"]) == 2
    body = {"prompt": [[128]], "max_tokens": 6, "temperature": 0, "echo": True, "logprobs": 0}
    [made] = client.post("/v1/completions", json=body).json()["choices"]
    assert "".join(made["logprobs"]["tokens"]) == made["text"]


def test_tokens_end_where_the_text_does(client):
    body = {"prompt": "x = ", "max_tokens": 40, "temperature": 0, "logprobs": 2}
    [whole] = client.post("/v1/completions", json=body).json()["choices"]
    stop = whole["text"][len(whole["text"]) // 2 :][:3]
    [cut] = client.post("/v1/completions", json=body | {"stop": stop}).json()["choices"]
    found, count = cut["logprobs"], len(cut["logprobs"]["tokens"])
    assert "".join(found["tokens"]).startswith(cut["text"]) and count < 40
    assert found["text_offset"][-1] < len(cut["text"])
    assert all(len(found[name]) == count for name in ("token_logprobs", "top_logprobs"))
    assert found["tokens"] == whole["logprobs"]["tokens"][:count]


def test_an_empty_prompt_has_no_token_of_its_own(client):
    body = {"prompt": "", "max_tokens": 5, "temperature": 0, "logprobs": 0, "echo": True}
    [made] = client.post("/v1/completions", json=body).json()["choices"]
    assert "".join(made["logprobs"]["tokens"]) == made["text"]
    assert all(value is not None for value in made["logprobs"]["token_logprobs"])


def test_a_prompt_is_scored_as_often_as_it_is_asked_for(client):
    body = {"prompt": ["x y", "y z"], "max_tokens": 0, "echo": True, "logprobs": 1, "n": 2}
    choices = client.post("/v1/completions", json=body).json()["choices"]
    assert [choice["text"] for choice in choices] == ["x y", "x y", "y z", "y z"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]


@pytest.mark.parametrize("more", [{"echo": True, "logprobs": 1}, {"best_of": 2}])
def test_an_engine_that_is_lost_meanwhile_may_be_asked_again(client, backend, monkeypatch, more):
    def lost(ids, top):
        raise InputError("the engine was lost; ask again")

    monkeypatch.setattr(backend.models.live.batcher, "scores", lost)
    answer = client.post("/v1/completions", json={"prompt": "x", "max_tokens": 3, **more})
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert answer.json()["error"]["message"] == "the engine was lost; ask again"
