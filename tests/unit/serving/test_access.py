"""Keys, hosts, origins, headers: who is let in, on every route."""

import pytest
from starlette.testclient import TestClient

from calcgen_ray.errors import InputError
from calcgen_ray.serving.access import MAX_HEADERS, Policy, read_keys
from calcgen_ray.serving.api import build_api
from calcgen_ray.serving.playground import PATHS

KEYS = (b"correct-horse-battery", b"another-key-of-length")
ROUTES = [
    ("POST", "/v1/completions"), ("POST", "/v1/chat/completions"), ("POST", "/v1/run"),
    ("GET", "/v1/models"), ("GET", "/v1/models/tiny"), ("GET", "/metrics"), ("GET", "/version"),
    ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/nowhere"), ("DELETE", "/v1/models/tiny"),
]  # fmt: skip


@pytest.fixture
def locked(backend):
    policy = Policy(KEYS, ("127.0.0.1", "example.org"))
    with TestClient(build_api(backend, policy), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_wants_a_key(locked, method, path):
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": KEYS[0].decode()},
                    {"authorization": f"Basic {KEYS[0].decode()}"}):  # fmt: skip
        answer = locked.request(method, path, headers=headers)
        assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_api_key"
    assert locked.request(method, f"{path}?api_key={KEYS[0].decode()}").status_code == 401


def test_any_key_opens_and_a_few_routes_are_open(locked):
    for key in KEYS:
        headers = {"authorization": f"Bearer {key.decode()}"}
        assert locked.get("/v1/models", headers=headers).status_code == 200
    for path in ("/health", "/ready", *PATHS):
        assert locked.get(path).status_code == 200, path
    for path in ("/playground", "/playground/", "/playground/none.js", "/playground/app.js/"):
        assert locked.get(path).status_code == 401, path


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_host_is_refused(client, method):
    for host in ("evil.example", "127.0.0.1.evil.example", "", "localhost.evil:8000"):
        answer = client.request(method, "/v1/models", headers={"host": host})
        assert answer.status_code == 400, host
    for host in ("127.0.0.1", "localhost:9", "[::1]:8000", "LOCALHOST"):
        assert client.get("/health", headers={"host": host}).status_code == 200, host


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_origin_may_change_nothing(client, method):
    for origin in ("http://evil.example", "null", "http://[", "http://127.0.0.1.evil.example"):
        answer = client.request(method, "/v1/completions", headers={"origin": origin})
        assert answer.status_code == 403, origin
    body = {"prompt": "x", "max_tokens": 1}
    own = {"origin": "http://localhost:3000"}
    assert client.post("/v1/completions", json=body, headers=own).status_code == 200


def test_headers_are_limited(client):
    many = {f"x-{number}": "1" for number in range(MAX_HEADERS + 1)}
    assert client.get("/health", headers=many).status_code == 431
    assert client.get("/health", headers={"x-long": "a" * 40_000}).status_code == 431


def test_request_ids(client):
    assert (
        client.get("/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    )
    made = {client.get("/health", headers={"x-request-id": "a b"}).headers["x-request-id"],
            client.get("/health").headers["x-request-id"]}  # fmt: skip
    assert len(made) == 2 and all(len(one) == 32 for one in made)


def test_keys_are_read_from_a_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text("# ours\n" + "\n\n".join(key.decode() for key in KEYS) + "\n")
    assert read_keys(path) == KEYS
    for text, told in (("\n", "holds no key"), ("short\n", "fewer than 16")):
        path.write_text(text)
        with pytest.raises(InputError, match=told):
            read_keys(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_keys(tmp_path / "none")
