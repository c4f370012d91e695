"""Log probabilities: on threads of their own, for as long as somebody waits, each token once."""

import asyncio
import contextlib
import threading
import time

import httpx
import pytest

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


def test_texts_of_tokens_are_made_in_one_pass():
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

    engine, text = Counting(), "xπ∫𝑥" * 200
    found = scores.scored(engine, list(text.encode()), [], 0, echo=True)
    assert "".join(found["tokens"]) == text
    assert engine.decoded <= 3 * len(text.encode())
