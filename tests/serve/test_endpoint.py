"""The endpoint on a real Ray Serve, asked by the official openai client."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest

from calcgen_ray.generate.engine import SamplingParams, open_engine

pytestmark = pytest.mark.serve

POSITIONS = 256
PROMPT = "# Differentiate x**2 with respect to x.\n"
ROOT = Path(__file__).parents[2]


def post(url, body, **options):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {b"content-type": b"application/json"} | options.pop("headers", {})
    return httpx.post(
        f"{url}/v1/completions", content=content, headers=headers, timeout=60, **options
    )


def told(response, status, param=None):
    """Checks the form of an error and returns its message."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert "\n" not in error["message"]
    return error["message"]


def test_completion(api, entry):
    before = int(time.time())
    answer = api.completions.create(model="tiny", prompt=PROMPT, max_tokens=12, temperature=0)
    engine = open_engine(entry.path)
    [[wanted]] = engine.generate([PROMPT], SamplingParams(max_tokens=12, temperature=0))
    engine.close()
    assert answer.id.startswith("cmpl-")
    assert answer.object == "text_completion"
    assert before <= answer.created <= time.time()
    assert (answer.model, answer.system_fingerprint) == ("tiny", entry.digest)
    [choice] = answer.choices
    assert (choice.index, choice.text, choice.logprobs) == (0, wanted.text, None)
    assert choice.finish_reason == wanted.finish_reason
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (
        wanted.prompt_tokens, wanted.completion_tokens,
    )  # fmt: skip
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_defaults_are_openais(api):
    answer = api.completions.create(model="tiny", prompt=PROMPT)
    assert 0 < answer.usage.completion_tokens <= 16


def test_lists_of_prompts_with_n_come_back_flat(api):
    prompts = ["x", PROMPT, ""]
    answer = api.completions.create(
        model="tiny", prompt=prompts, n=3, max_tokens=8, temperature=1.5, seed=1
    )
    assert [choice.index for choice in answer.choices] == list(range(9))
    greedy = api.completions.create(model="tiny", prompt=prompts, max_tokens=8, temperature=0)
    for index, prompt in enumerate(prompts):
        alone = api.completions.create(model="tiny", prompt=prompt, max_tokens=8, temperature=0)
        assert greedy.choices[index].text == alone.choices[0].text


def test_stop(api):
    whole = api.completions.create(model="tiny", prompt=PROMPT, max_tokens=30, temperature=0)
    text = whole.choices[0].text
    stop = text[5:11]
    cut = api.completions.create(
        model="tiny", prompt=PROMPT, max_tokens=30, temperature=0, stop=[stop, "\x00"]
    )
    assert cut.choices[0].text == text[: text.index(stop)]
    assert cut.choices[0].finish_reason == "stop"


def test_seeds_hold_under_other_requests(api):
    def draw(seed):
        return api.completions.create(
            model="tiny", prompt=PROMPT, n=2, max_tokens=20, temperature=1, seed=seed
        )

    def drawn(seed):
        return [choice.text for choice in draw(seed).choices]

    alone = drawn(7)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(drawn, [7, None, 8, 7, None, 7]))
    assert [texts == alone for texts in found] == [True, False, False, True, False, True]


def test_prompt_and_answer_fill_the_positions(api):
    answer = api.completions.create(model="tiny", prompt="0" * 250, max_tokens=POSITIONS)
    assert answer.usage.total_tokens <= POSITIONS


def test_models(api, url):
    model, *_ = api.models.list().data
    assert (model.id, model.object, model.owned_by) == ("tiny", "model", "calcgen-ray")
    assert model.max_model_len == POSITIONS
    assert api.models.retrieve("tiny") == model
    with pytest.raises(openai.NotFoundError):
        api.models.retrieve("gpt-4")


def test_health(url):
    response = httpx.get(f"{url}/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_routes_that_are_not_there(url):
    assert "/v2/completions" in told(httpx.get(f"{url}/v2/completions"), 404)
    response = httpx.get(f"{url}/v1/completions")
    told(response, 405)
    assert response.headers["allow"] == "POST"


def test_openai_errors(api):
    with pytest.raises(openai.NotFoundError) as missing:
        api.completions.create(model="gpt-4", prompt="x")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        api.completions.create(model="tiny", prompt="x", temperature=3)
    assert wrong.value.param == "temperature"


WITHIN = [
    {"max_tokens": POSITIONS},
    {"temperature": 0}, {"temperature": 2}, {"top_p": 1}, {"top_k": 5},
    {"n": 64, "max_tokens": 1}, {"prompt": ["x"] * 64, "n": 2, "max_tokens": 1},
    {"stop": ["a", "b", "c", "d" * 256]}, {"stop": []}, {"stop": "\n"},
    {"seed": 2**63 - 1}, {"seed": -(2**63)},
    {"stream": False, "echo": False, "best_of": 1, "suffix": "", "logit_bias": {}, "user": "me"},
    {"logprobs": None, "stop": None, "seed": None, "model": None, "n": None, "temperature": None},
    {"no_such_field": 1, "presence_penalty": 0, "frequency_penalty": 0.0},
]  # fmt: skip


@pytest.mark.parametrize("fields", WITHIN, ids=lambda fields: ",".join(fields))
def test_limits(url, fields):
    response = post(url, {"prompt": "x", "max_tokens": 2, **fields})
    assert response.status_code == 200, response.text


BEYOND = [
    ("max_tokens", POSITIONS + 1), ("max_tokens", 0), ("max_tokens", 1.5), ("max_tokens", "3"),
    ("max_tokens", True),
    ("temperature", 2.01), ("temperature", -0.01), ("temperature", float("nan")),
    ("temperature", float("inf")), ("temperature", "1"),
    ("top_p", 0), ("top_p", 1.01), ("top_p", float("nan")), ("top_k", -1),
    ("n", 0), ("n", 65), ("n", 2**70),
    ("stop", ["a"] * 5), ("stop", ""), ("stop", ["d" * 257]), ("stop", 3), ("stop", [None]),
    ("seed", 2**63), ("seed", -(2**63) - 1), ("seed", 0.5),
    ("prompt", ["x"] * 65), ("prompt", []), ("prompt", 3), ("prompt", [["x"]]),
    ("prompt", [1, True]), ("prompt", [10**9]), ("prompt", [1] * POSITIONS),
    ("prompt", None), ("prompt", {}), ("prompt", "0" * POSITIONS),
    ("model", 3),
    ("logprobs", 6), ("best_of", 17),
    ("suffix", "x"), ("presence_penalty", 0.1), ("frequency_penalty", -1), ("min_p", 0.1),
    ("repetition_penalty", 0), ("logit_bias", {"5": 1}), ("stream_options", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BEYOND, ids=lambda value: str(value)[:20])
def test_beyond_the_limits(url, name, value):
    assert name in told(post(url, {"prompt": "x", name: value}), 400, param=name)


def test_too_many_completions_at_once(url):
    message = told(post(url, {"prompt": ["x"] * 43, "n": 3}), 400, param="n")
    assert "43 prompts x 3 = 129" in message
    assert "temperature 0" in told(post(url, {"prompt": "x", "n": 2, "temperature": 0}), 400, "n")


BODIES = [b"", b"{", b"[]", b"3", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b"{}" * 2,
          b'{"prompt": "\\ud800"}', b'{"prompt": "x", "n": 1e400}']  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:12].decode("latin-1") or "empty")
def test_bodies_that_are_no_request(url, body):
    response = post(url, body)
    told(response, 400, response.json()["error"]["param"])


def test_body_size(url):
    body = json.dumps({"prompt": "x", "max_tokens": 1, "user": ""}).encode()
    room = 2_000_000 - len(body)
    full = body[:-2] + b"u" * room + b'"}'
    assert len(full) == 2_000_000
    assert post(url, full).status_code == 200
    assert "2,000,000 bytes" in told(post(url, full + b" "), 413)

    def chunks():
        for _ in range(30):
            yield b" " * 100_000

    headers = {"content-type": "application/json"}
    told(httpx.post(f"{url}/v1/completions", content=chunks(), headers=headers, timeout=60), 413)


def test_each_figure_bears_its_replicas_name(url):
    lines = [line for line in httpx.get(f"{url}/metrics").text.splitlines() if line[0] != "#"]
    [name] = {re.search(r'replica="([^"]+)"', line)[1] for line in lines}
    assert len(lines) > 50 and name


def test_a_stream_comes_as_it_grows(api):
    asked = {"model": "tiny", "prompt": PROMPT, "max_tokens": 60, "temperature": 0}
    whole = api.completions.create(**asked).choices[0].text
    texts = [chunk.choices[0].text for chunk in api.completions.create(**asked, stream=True)]
    assert "".join(texts) == whole and len(texts) > 5


def test_a_client_that_leaves_frees_its_rows(url):
    def running():
        text = httpx.get(f"{url}/metrics").text
        rows = ("calcgen_rows_running", "calcgen_rows_waiting")
        lines = [line for line in text.splitlines() if line.startswith(rows)]
        return sum(float(line.split()[-1]) for line in lines)

    body = {"prompt": ["x"] * 30, "max_tokens": 250, "stream": True}
    for _ in range(5):
        with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=60) as response:
            next(response.iter_lines())
    end = time.monotonic() + 2
    while running() and time.monotonic() < end:
        time.sleep(0.05)
    assert running() == 0


def test_verified_answers(api):
    answer = api.completions.create(
        model="tiny", prompt="# Print 1.\n", max_tokens=12, n=2,
        extra_body={"calcgen": {"verify": True, "candidates": 4}},
    )  # fmt: skip
    assert len(answer.choices) == 2
    for choice in answer.choices:
        assert choice.calcgen["status"] in ("ran", "failed") and choice.calcgen["candidates"] == 4


def test_serves_own_headers_change_nothing(url):
    """Its proxy would fail on some of them, and end or keep a request by others."""
    for name, value in (
        (b"x-request-id", b"\xff"), (b"x-request-timeout-seconds", b"\xff"),
        (b"x-request-timeout-seconds", b"0.001"), (b"x-session-id", b"\xff"),
        (b"serve_multiplexed_model_id", b"\xff"), (b"x-request-disconnect-disabled", b"\xff"),
    ):  # fmt: skip
        answer = post(url, {"prompt": "x", "max_tokens": 20}, headers={name: value})
        assert answer.status_code == 200, (name, answer.text)
    answer = post(url, {"prompt": "x"}, headers={"x-request-id": "mine-1"})
    assert answer.headers.get_list("x-request-id") == ["mine-1"]
    assert len(httpx.get(f"{url}/health").headers.get_list("x-request-id")) == 1
    assert httpx.get(f"{url}/-/routes").status_code == 404
