"""Bodies that nobody would send: made from our own OpenAPI file, and with bytes changed."""

import json

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis.core import NotSet

FEW, MANY = 60, 2500
"""Examples of each of the four tests: the second makes ten thousand bodies."""
HEADERS = {"content-type": "application/json"}
POSTS = ("/v1/completions", "/v1/chat/completions")
OPTIONS = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def small(body):
    """What is asked stays cheap: nobody waits for 128 rows of 256 tokens."""
    if isinstance(body, dict):
        body = dict(body)
        for name, most in (("max_tokens", 4), ("n", 3), ("best_of", 3)):
            if isinstance(body.get(name), int) and not isinstance(body[name], bool):
                body[name] = min(body[name], most)
    return body


def as_bytes(body):
    if isinstance(body, bytes):
        return body
    return b"" if isinstance(body, NotSet) else json.dumps(small(body), default=str).encode()


@pytest.fixture
def schema(client):
    return schemathesis.openapi.from_dict(client.get("/openapi.json").json())


def check(answer):
    assert answer.status_code in (200, 400, 404, 405, 413, 415), (
        answer.request.content,
        answer.text,
    )
    if answer.status_code != 200:
        assert "\n" not in answer.json()["error"]["message"]


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.soak)])
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.timeout(1800)
def test_bodies_of_our_own_schema(client, schema, path, examples):
    """What fits the OpenAPI file, and what is close to it."""
    operation = schema[path]["POST"]
    modes = schemathesis.GenerationMode
    cases = st.one_of(
        operation.as_strategy(generation_mode=modes.POSITIVE),
        operation.as_strategy(generation_mode=modes.NEGATIVE),
    )

    @hypothesis.settings(max_examples=examples, **OPTIONS)
    @hypothesis.given(cases)
    def ask(case):
        check(client.post(path, content=as_bytes(case.body), headers=HEADERS))
        bodies.append(case.body)

    bodies = []
    ask()
    assert len(bodies) >= examples


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.soak)])
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.timeout(1800)
def test_bodies_with_bytes_changed(client, path, examples):
    body = (
        b'{"prompt": "x", "messages": [{"role": "user", "content": "x"}], "max_tokens": 2, "n": 1,'
        b' "stop": ["y"], "temperature": 0.5, "seed": 7, "stream": false, "calcgen": {"verify":'
        b" false}}"
    )
    changes = st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=6)

    @hypothesis.settings(max_examples=examples, **OPTIONS)
    @hypothesis.given(changes, st.integers(0, len(body)))
    def ask(flips, end):
        changed = bytearray(body)
        for place, byte in flips:
            changed[place] = byte
        content = bytes(changed[: end if len(flips) % 2 else len(body)])
        check(client.post(path, content=content, headers=HEADERS))

    ask()
