"""What is read of a request: bounded, once, in time, and before anything is made."""

import asyncio
import gzip
import itertools
import json
import threading

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from calcgen_ray.generate import rows
from calcgen_ray.serving import body
from calcgen_ray.serving.access import Policy
from calcgen_ray.serving.api import build_api
from calcgen_ray.serving.backend import Backend
from calcgen_ray.serving.body import Body, read, read_body
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.limits import ChatRequest, CompletionRequest
from calcgen_ray.serving.loading import load
from calcgen_ray.serving.models import Models
from tests.unit.serving.conftest import BASE, HERE


def post(client, **body):
    return client.post("/v1/completions", json=body)


def refused(response, status=400):
    """The message of a request that is refused."""
    assert response.status_code == status, response.text
    return response.json()["error"]["message"]


def asked(client, **body):
    """The message of a completion that is refused with 400."""
    return post(client, **{"max_tokens": 2, **body}).json()["error"]["message"]


@pytest.fixture
def reads(monkeypatch):
    """Names of the threads on which prompts are tokenised."""
    names = []

    def encode(tokenizer, text, plain=rows.encode):
        names.append(threading.current_thread().name)
        return plain(tokenizer, text)

    monkeypatch.setattr(rows, "encode", encode)
    return names


def test_a_prompt_is_read_once(client, reads):
    for stream in (False, True):
        assert post(client, prompt=["x", "y"], max_tokens=2, stream=stream).status_code == 200
    assert len(reads) == 4 and not any(name.startswith("reading") for name in reads)


def test_long_prompts_are_read_on_a_thread_of_their_own(client, reads):
    assert "the model reads at most 256" in asked(client, prompt="xy" * 3000)
    assert len(reads) == 1 and reads[0].startswith("reading")


def test_what_is_too_long_by_its_characters_is_not_read(client, reads):
    told = asked(client, prompt="a " * 900_000)
    assert "1,800,000 characters" in told and "256 tokens" in told and reads == []


@pytest.mark.parametrize(
    ("kind", "fields", "product"),
    [
        (CompletionRequest, {"prompt": "x", "n": 33}, "1 prompts x 33 completions x 2048"),
        (CompletionRequest, {"prompt": ["x"] * 3, "best_of": 11}, "3 prompts x 11 completions"),
        (ChatRequest, {"messages": [{"role": "user", "content": "x"}], "n": 33}, "x 33 comp"),
        (ChatRequest, {"messages": [{"role": "user", "content": "x"}],
                       "max_tokens": 2049, "calcgen": {"verify": True, "candidates": 32}},
         "1 prompts x 32 completions x 2049 tokens = 65,568; allowed: at most 65,536"),
    ],
)  # fmt: skip
def test_tokens_of_a_request_have_a_budget(kind, fields, product):
    def ask(tokens):
        body = json.dumps({"max_tokens": 2048, **fields} | tokens).encode()
        return read(kind, Body(body), 4096)

    with pytest.raises(ApiError) as caught:
        ask({})
    assert (caught.value.status, caught.value.param) == (400, "max_tokens")
    assert product in caught.value.message
    assert ask({"max_tokens": 1985})


def test_verified_answers_are_refused_before_any_is_made_where_nothing_runs(client):
    before = client.get("/metrics").text
    answer = post(client, prompt="x", calcgen={"verify": True})
    assert "serve.run=true" in refused(answer, 404)
    made = [line for line in before.splitlines() if line.startswith("calcgen_completion_tokens")]
    assert made[0] in client.get("/metrics").text


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions", "/v1/run"])
def test_a_key_that_stands_twice_is_refused(client, path):
    many = b"".join(b'"%d": 0, ' % k for k in range(150_000))
    for content in (b'{"prompt": "x", "prompt": "y"}', b'{"calcgen": {"verify": 1, "verify": 0}}',
                    b"{" + many + b'"149999": 0}'):  # fmt: skip
        answer = client.post(path, content=content, headers={"content-type": "application/json"})
        assert "twice" in refused(answer)


def test_packed_bodies_are_refused(client):
    packed = gzip.compress(json.dumps({"prompt": "x"}).encode())
    json_type = {"content-type": "application/json"}
    answer = client.post("/v1/completions", content=packed, headers=json_type)
    refused(answer)
    bomb = gzip.compress(b" " * 10**7)
    answer = client.post(
        "/v1/completions", content=bomb, headers=json_type | {"content-encoding": "gzip"}
    )
    assert "gzip" in refused(answer, 415)


def body_of(chunks):
    """What `read_body` makes of a body that comes in these pieces, one more whenever it asks."""
    pieces = iter(chunks)

    async def receive():
        piece = next(pieces, None)
        if piece is None:
            await asyncio.sleep(3600)
        return {"type": "http.request", "body": piece, "more_body": True}

    headers = [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]
    return asyncio.run(read_body(Request({"type": "http", "headers": headers}, receive)))


def test_a_body_without_an_end_is_given_up(monkeypatch):
    taken = itertools.count()
    with pytest.raises(ApiError) as large:
        body_of(b" " * 100_000 for _ in taken)
    assert large.value.status == 413 and next(taken) == 21  # read no further
    monkeypatch.setattr(body, "BODY_SECONDS", 0.1)
    with pytest.raises(ApiError) as late:
        body_of([b"{"])
    assert late.value.status == 408 and "0.1 s" in late.value.message


def test_health_is_that_of_the_engine(tiny_model, open_tiny):
    models = Models(load(tiny_model, "tiny", open_tiny), None, open_tiny)
    with TestClient(build_api(Backend(models), Policy()), base_url=BASE, client=HERE) as client:
        assert client.get("/health").status_code == 200
        models.live.batcher.close()
        assert client.get("/health").status_code == 503
    models.close()
