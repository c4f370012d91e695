"""The routes, asked by the official openai client and by hand."""

import json
import math

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcgen_ray.generate.engine import SamplingParams
from tests.unit.serving.conftest import BASE

PROMPT = "# Differentiate x**2 with respect to x.\n"
POSITIONS = 256


@pytest.fixture
def api(client):
    return openai.OpenAI(
        base_url="http://127.0.0.1:8000/v1", api_key="none", http_client=client, max_retries=0
    )


def post(client, path="/v1/completions", **body):
    return client.post(path, json=body)


def refused(response, status=400, param=None):
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and "\n" not in error["message"]
    assert error["param"] == param, error
    return error["message"]


def test_greedy_is_the_engines_own(api, backend):
    [[wanted]] = backend.models.live.batcher.engine.generate(
        [PROMPT], SamplingParams(60, temperature=0)
    )
    answer = api.completions.create(model="tiny", prompt=PROMPT, max_tokens=60, temperature=0)
    [choice] = answer.choices
    assert (choice.text, choice.finish_reason) == (wanted.text, wanted.finish_reason)
    assert answer.usage.completion_tokens == wanted.completion_tokens
    assert answer.usage.prompt_tokens == wanted.prompt_tokens
    assert answer.system_fingerprint == "tiny" and answer.model == "tiny"


def test_streamed_pieces_are_the_whole(api):
    asked = {"model": "best", "prompt": [PROMPT, "x"], "max_tokens": 50, "temperature": 0}
    whole = api.completions.create(**asked)
    options = {"include_usage": True}
    chunks = list(api.completions.create(**asked, stream=True, stream_options=options))
    texts, reasons = {0: "", 1: ""}, {}
    for chunk in chunks[:-1]:
        [choice] = chunk.choices
        texts[choice.index] += choice.text
        if choice.finish_reason:
            reasons[choice.index] = choice.finish_reason
    assert list(texts.values()) == [choice.text for choice in whole.choices]
    assert [reasons[i] for i in (0, 1)] == [choice.finish_reason for choice in whole.choices]
    assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1 and len(chunks) > 5


def test_a_prompt_may_be_its_tokens(api, backend):
    ids = list(backend.models.live.batcher.engine.row(PROMPT, SamplingParams(1)).prompt_ids)
    asked = {"model": "tiny", "max_tokens": 9, "temperature": 0, "echo": True, "logprobs": 1}
    told = api.completions.create(prompt=PROMPT, **asked)
    assert api.completions.create(prompt=ids, **asked).choices == told.choices
    whole, part = api.completions.create(prompt=[ids, ids[:3]], **asked).choices
    assert whole == told.choices[0] and PROMPT.startswith("".join(part.logprobs.tokens[:3]))
    chunks = api.completions.create(prompt=ids, model="tiny", max_tokens=9, temperature=0,
                                    echo=True, stream=True)  # fmt: skip
    assert "".join(chunk.choices[0].text for chunk in chunks) == told.choices[0].text


def test_a_seed_repeats(api):
    def ask(seed):
        answer = api.completions.create(
            model="tiny", prompt=[PROMPT, "y"], max_tokens=20, n=2, seed=seed
        )
        return [choice.text for choice in answer.choices]

    assert ask(5) == ask(5) != ask(6)
    assert len(ask(5)) == 4


def test_logprobs_echo_and_scoring(api, backend):
    answer = api.completions.create(
        model="tiny", prompt=PROMPT, max_tokens=5, temperature=0, logprobs=3, echo=True
    )
    [choice] = answer.choices
    found = choice.logprobs
    assert choice.text.startswith(PROMPT) and "".join(found.tokens) == choice.text
    assert found.token_logprobs[0] is None and all(p <= 0 for p in found.token_logprobs[1:])
    assert [
        choice.text[at : at + len(t)] for at, t in zip(found.text_offset, found.tokens, strict=True)
    ] == (found.tokens)
    last = found.top_logprobs[-1]
    assert len(last) <= 3 and max(last.values()) == pytest.approx(found.token_logprobs[-1])
    scored = api.completions.create(
        model="tiny", prompt=PROMPT, max_tokens=0, logprobs=0, echo=True
    ).choices[0]
    asked = len(scored.logprobs.tokens)
    assert scored.text == PROMPT and answer.usage.prompt_tokens == asked
    assert scored.logprobs.token_logprobs[1:] == pytest.approx(found.token_logprobs[1:asked])
    table = backend.models.live.batcher.engine.log_probs(
        backend.models.live.batcher.engine.row(PROMPT, SamplingParams(1)).prompt_ids
    )
    assert all(math.isclose(sum(math.exp(v) for v in line), 1, rel_tol=1e-3) for line in table)


def test_best_of_returns_the_likeliest(api):
    wide = api.completions.create(
        model="tiny", prompt=PROMPT, max_tokens=8, n=6, best_of=6, seed=3, logprobs=0
    )
    best = api.completions.create(
        model="tiny", prompt=PROMPT, max_tokens=8, n=1, best_of=6, seed=3, logprobs=0
    )

    def mean(choice):
        return sum(choice.logprobs.token_logprobs) / len(choice.logprobs.token_logprobs)

    top = max(wide.choices, key=mean)
    assert best.choices[0].text == top.text and len(best.choices) == 1


def test_stop_strings_are_cut(api):
    whole = api.completions.create(model="tiny", prompt=PROMPT, max_tokens=40, temperature=0)
    text = whole.choices[0].text
    stop = text[len(text) // 2 :][:3]
    for streamed in (False, True):
        answer = api.completions.create(
            model="tiny", prompt=PROMPT, max_tokens=40, temperature=0, stop=[stop], stream=streamed
        )
        parts = [chunk.choices[0] for chunk in answer] if streamed else [answer.choices[0]]
        assert "".join(part.text for part in parts) == text[: text.index(stop)]
        assert parts[-1].finish_reason == "stop"


def test_chat(api):
    messages = [{"role": "system", "content": "ignored"}, {"role": "user", "content": "Derive x."}]
    answer = api.chat.completions.create(
        model="tiny", messages=messages, max_tokens=30, temperature=0
    )
    same = api.completions.create(
        model="tiny", prompt="# Derive x.\n", max_tokens=30, temperature=0
    )
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content == same.choices[0].text
    chunks = api.chat.completions.create(
        model="tiny", messages=messages, max_tokens=30, temperature=0, stream=True
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == same.choices[0].text
    messages[1]["content"] = [{"type": "text", "text": "Derive "}, {"type": "text", "text": "x."}]
    with api.chat.completions.stream(
        model="tiny", messages=messages, max_tokens=30, temperature=0, n=1
    ) as stream:
        for _ in stream:
            pass
        message = stream.current_completion_snapshot.choices[0].message
    assert (message.role, message.content) == ("assistant", same.choices[0].text)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": POSITIONS + 1}, "max_tokens"), ({"max_tokens": 0}, "max_tokens"),
        ({"n": 65}, "n"), ({"n": 0}, "n"), ({"best_of": 17}, "best_of"),
        ({"n": 3, "best_of": 2}, "best_of"), ({"logprobs": 6}, "logprobs"),
        ({"temperature": 2.1}, "temperature"), ({"top_p": 0}, "top_p"),
        ({"stop": ["a"] * 5}, "stop"), ({"stop": ["a" * 257]}, "stop"), ({"stop": [""]}, "stop"),
        ({"seed": 2**63}, "seed"), ({"suffix": "x"}, "suffix"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"presence_penalty": 0.5}, "presence_penalty"), ({"min_p": 0.1}, "min_p"),
        ({"stream": True, "best_of": 2}, "best_of"), ({"stream": True, "logprobs": 1}, "logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"), ({"stream": 1}, "stream"),
        ({"n": 2, "temperature": 0}, "n"), ({"repetition_penalty": 0.09}, "repetition_penalty"),
        ({"prompt": ["x"] * 65}, "prompt"), ({"prompt": []}, "prompt"),
        ({"prompt": [1, True]}, "prompt"), ({"prompt": [1, "x"]}, "prompt"),
        ({"prompt": [[]]}, "prompt"), ({"prompt": [1.5]}, "prompt"), ({"prompt": [-1]}, "prompt"),
        ({"prompt": [[1], [10**9]]}, "prompt"), ({"prompt": [1] * 256}, "prompt"),
        ({"prompt": ["x"] * 43, "n": 3}, "n"), ({"prompt": "x " * 400}, "prompt"),
        ({"calcgen": {"verify": True, "candidates": 33}}, "calcgen.candidates"),
        ({"calcgen": {"verify": True}, "stream": True}, "stream"),
        ({"calcgen": {"verify": True}, "echo": True}, "echo"),
        ({"calcgen": {"verify": True}, "logprobs": 1}, "logprobs"),
    ],
)  # fmt: skip
def test_what_is_over_a_limit_is_named(client, fields, param):
    refused(post(client, **{"prompt": "x", "max_tokens": 2, **fields}), param=param)


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 64}, {"best_of": 16}, {"logprobs": 5}, {"temperature": 2.0}, {"top_p": 1.0},
        {"stop": ["a"] * 4}, {"stop": ["a" * 256]}, {"seed": 2**63 - 1}, {"seed": -(2**63)},
        {"prompt": ["x"] * 64, "n": 2}, {"repetition_penalty": 10.0}, {"repetition_penalty": 0.1},
        {"presence_penalty": 0},
        {"prompt": ""}, {"top_k": 10**6},
    ],
)  # fmt: skip
def test_what_is_at_a_limit_is_answered(client, fields):
    assert post(client, **{"prompt": "x", "max_tokens": 2, **fields}).status_code == 200


def test_an_unknown_model_names_those_there_are(client):
    message = refused(post(client, prompt="x", model="other"), 404, "model")
    assert "served here: tiny" in message
    assert client.get("/v1/models/other").status_code == 404
    assert client.get("/v1/models").json()["data"][0]["id"] == "tiny"


def test_reading_routes(client):
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json()["model"] == "tiny"
    assert client.get("/version").json()["model"] == "tiny"
    page = client.get("/docs").text
    assert "POST /v1/completions" in page and "temperature" in page and "<script" not in page
    assert "takes the likeliest token" in page and "200 while the engine runs" in page
    assert f"<code>{BASE}/v1</code>" in page
    assert "/v1/chat/completions" in client.get("/openapi.json").json()["paths"]


def test_metrics_count(client):
    before = client.get("/metrics").text
    post(client, prompt="x", max_tokens=3, temperature=0)
    post(client, prompt="x", max_tokens=-1)
    after = client.get("/metrics").text

    def value(text, name):
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return sum(float(line.split()[-1]) for line in lines)

    for name in (
        'calcgen_requests_total{route="/v1/completions",status="200"}',
        'calcgen_requests_total{route="/v1/completions",status="400"}',
        "calcgen_time_to_first_token_seconds_count", "calcgen_request_seconds_count",
    ):  # fmt: skip
        assert value(after, name) == value(before, name) + 1, name
    assert value(after, "calcgen_completion_tokens_total") - value(
        before, "calcgen_completion_tokens_total"
    ) in (1, 2, 3)
    for name in ("calcgen_rows_running", "calcgen_rows_waiting", "calcgen_batch_size"):
        assert name in after


bodies = st.dictionaries(
    st.sampled_from(["prompt", "model", "max_tokens", "n", "stop", "seed", "stream", "logprobs",
                     "echo", "temperature", "best_of", "calcgen", "stream_options", "top_p"]),
    st.none() | st.booleans() | st.integers(-3, 70) | st.floats(-1, 3) | st.text(max_size=5)
    | st.lists(st.text(max_size=3), max_size=5) | st.dictionaries(st.text(max_size=3), st.none()),
)  # fmt: skip


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bodies, st.integers(0, 40), st.binary(max_size=2))
def test_no_body_is_a_500(client, body, place, noise):
    if isinstance(body.get("max_tokens"), int):
        body["max_tokens"] = min(body["max_tokens"], 4)
    text = json.dumps({"prompt": "x", "max_tokens": 2, **body}).encode()
    for content in (text, text[:place] + noise + text[place + 1 :]):
        for path in ("/v1/completions", "/v1/chat/completions"):
            answer = client.post(
                path, content=content, headers={"content-type": "application/json"}
            )
            assert answer.status_code in (200, 400, 404), answer.text


def test_a_chat_refuses_what_it_has_not_by_name(client):
    path, body = "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}
    for name, value in (("logprobs", True), ("top_logprobs", 2)):
        refused(post(client, path, **body, **{name: value}), param=name)
    plain = {"logprobs": False, "top_logprobs": 0, "max_tokens": 1}
    assert post(client, path, **body, **plain).status_code == 200
    picture = [{"type": "image_url", "image_url": {"url": "x"}}]
    told = post(client, path, messages=[{"role": "user", "content": picture}])
    assert "only parts" in refused(told, param="messages.content")
