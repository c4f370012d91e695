"""Keys, hosts, origins, headers: who is let in, on every route."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from calcgen_ray.errors import InputError
from calcgen_ray.serving.access import MAX_HEADERS, Policy, read_keys
from calcgen_ray.serving.api import build_api
from calcgen_ray.serving.errors import without_paths
from calcgen_ray.serving.playground import PATHS
from tests.unit.serving.conftest import BASE, HERE

KEYS = (b"correct-horse-battery", b"another-key-of-length")
ROUTES = [
    ("POST", "/v1/completions"), ("POST", "/v1/chat/completions"), ("POST", "/v1/run"),
    ("GET", "/v1/models"), ("GET", "/v1/models/tiny"), ("GET", "/metrics"), ("GET", "/version"),
    ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/nowhere"), ("DELETE", "/v1/models/tiny"),
]  # fmt: skip


@pytest.fixture
def locked(backend):
    policy = Policy(KEYS, ("127.0.0.1", "example.org"))
    with TestClient(build_api(backend, policy), base_url=BASE, client=HERE) as client:
        yield client


def client_at(backend, address, **policy):
    client = address and (address, 50000)
    return TestClient(build_api(backend, Policy(**policy)), base_url=BASE, client=client)


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
        assert client.get("/v1/models", headers={"host": host}).status_code == 200, host


def test_probes_are_answered_by_address_and_told_nothing(client):
    """As Kubernetes and load balancers ask: the Host is the pod's address."""
    headers = {"host": "10.1.2.3:8000"}
    assert client.get("/health", headers=headers).status_code == 200
    assert client.get("/ready", headers=headers).json() == {"status": "ready"}
    assert client.get("/v1/models", headers=headers).status_code == 400


def test_hosts_are_the_same_in_capitals(backend):
    with client_at(backend, "127.0.0.1", hosts=("Example.org", "FE80::1")) as client:
        for host in ("example.org", "EXAMPLE.org:80", "[FE80::1]:80", "[fe80::1]"):
            assert client.get("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_origin_may_change_nothing(client, method):
    for origin in ("http://evil.example", "null", "http://[", "http://127.0.0.1.evil.example"):
        answer = client.request(method, "/v1/completions", headers={"origin": origin})
        assert answer.status_code == 403, origin
    body = {"prompt": "x", "max_tokens": 1}
    own = {"origin": "http://localhost:3000"}
    assert client.post("/v1/completions", json=body, headers=own).status_code == 200


def test_headers_are_limited(client):
    own = len(client.get("/health").request.headers)
    most = {f"x-{number}": "1" for number in range(MAX_HEADERS - own)}
    assert client.get("/health", headers={**most, "x-request-id": "a"}).status_code == 200
    assert client.get("/health", headers={**most, "x-more": "a"}).status_code == 431
    many = {f"x-{number}": "1" for number in range(MAX_HEADERS + 1)}
    assert client.get("/health", headers=many).status_code == 431
    assert client.get("/health", headers={"x-long": "a" * 40_000}).status_code == 431


def test_too_many_header_lines_are_refused_whatever_they_hold(client):
    many = [("x-a", "") for _ in range(257)]
    answer = client.get("/v1/models", headers=many)
    assert answer.status_code == 431 and answer.headers["x-request-id"]


@pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7", "fe80::1", "elsewhere"])
def test_without_keys_other_machines_are_refused(backend, address):
    with client_at(backend, address) as client:
        for method, path in [*ROUTES, ("GET", "/"), ("GET", "/playground/app.js")]:
            answer = client.request(method, path)
            assert answer.status_code == 403, path
            assert "serve.keys_file" in answer.json()["error"]["message"]
        assert client.get("/health").status_code == 200  # probes come from elsewhere
        assert client.get("/ready").json() == {"status": "ready"}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", None])
def test_without_keys_this_machine_is_let_in(backend, address):
    with client_at(backend, address) as client:
        assert client.get("/v1/models").status_code == 200
        assert client.get("/ready").json()["model"] == "tiny"


def test_other_machines_are_let_in_by_key_or_where_it_is_asked_for(backend):
    with client_at(backend, "10.0.0.7", open=True) as client:
        assert client.get("/v1/models").status_code == 200
    with client_at(backend, "10.0.0.7", keys=KEYS) as client:
        assert client.get("/v1/models").status_code == 401
        headers = {"authorization": f"Bearer {KEYS[0].decode()}"}
        assert client.get("/v1/models", headers=headers).status_code == 200


def test_what_is_ready_is_told_with_a_key_only(locked):
    assert locked.get("/ready").json() == {"status": "ready"}
    assert locked.get("/ready", headers={"authorization": "Bearer wrong"}).json() == {
        "status": "ready"
    }
    headers = {"authorization": f"Bearer {KEYS[1].decode()}"}
    assert set(locked.get("/ready", headers=headers).json()) == {"status", "model", "digest"}


def test_refusals_and_failures_are_counted_and_have_an_id(backend, locked, monkeypatch):
    headers = {"authorization": f"Bearer {KEYS[0].decode()}"}

    def counted():
        lines = locked.get("/metrics", headers=headers).text.splitlines()
        found = (line.rsplit(" ", 1) for line in lines if 'route="/v1/models",status=' in line)
        return {name.split('status="')[1][:3]: float(value) for name, value in found
                if name.startswith("calcgen_requests_total")}  # fmt: skip

    def broken():
        raise RuntimeError("a secret of /home/somebody")

    before = counted()
    monkeypatch.setattr(backend.models, "names", broken)
    answers = [
        locked.get("/v1/models"),
        locked.get("/v1/models", headers={"x-long": "a" * 40_000}),
        locked.post("/v1/models", headers={"origin": "http://evil.example"}),
        locked.get("/v1/models", headers=headers | {"x-request-id": "mine"}),
    ]
    assert [answer.status_code for answer in answers] == [401, 431, 403, 500]
    assert all(answer.headers["x-request-id"] for answer in answers)
    assert answers[-1].headers["x-request-id"] == "mine" and "secret" not in answers[-1].text
    after = counted()
    more = {k: after[k] - before.get(k, 0) for k in after if after[k] != before.get(k, 0)}
    assert more == {
        "401": 1, "403": 1, "431": 1, "500": 1,
    }  # fmt: skip


def test_neither_keys_nor_prompts_are_logged(locked, caplog):
    """Nor paths told to clients: whatever is wrong, an answer names none of this machine's."""
    prompt, key = "# A prompt of mine, 7391.\n", KEYS[0].decode()
    bodies = [{"prompt": prompt, "max_tokens": 2}, {"prompt": prompt, "max_tokens": -1},
              {"prompt": prompt, "model": "none"}, {"prompt": prompt * 900},
              {"prompt": prompt, "calcgen": {"verify": True}}]  # fmt: skip
    with caplog.at_level("INFO"):
        answers = [
            locked.post(path, json=body, headers={"authorization": f"Bearer {key}"})
            for body in bodies
            for path in ("/v1/completions", "/v1/chat/completions", "/v1/run", "/etc/passwd")
        ]
    assert {answer.status_code for answer in answers} >= {200, 400, 404}
    assert "7391" not in caplog.text and key not in caplog.text
    for answer in answers:
        if answer.status_code != 200:
            assert key not in answer.text and str(Path(__file__).parents[3]) not in answer.text
            assert not re.search(r"/(home|root|usr|tmp|var|opt)/", answer.text), answer.text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/opt/x/python did not start: run /opt/x/bin/python -m a.b in a folder",
         "python did not start: run python -m a.b in a folder"),
        ("'/srv/models/one/config.json': not JSON", "'config.json': not JSON"),
        ("1/2 of a/b, and/or / alone", "1/2 of a/b, and/or / alone"),
        ("/srv/models/", "models"),
    ],
)  # fmt: skip
def test_paths_are_cut_to_their_last_part(text, told):
    assert without_paths(text) == told


def test_request_ids(client):
    assert (
        client.get("/health", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    )
    made = {client.get("/health", headers={"x-request-id": "a b"}).headers["x-request-id"],
            client.get("/health").headers["x-request-id"]}  # fmt: skip
    assert len(made) == 2 and all(len(one) == 32 for one in made)


def test_keys_are_read_from_a_file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(
        "# ours\n  # indented, and no key either\n"
        + "\n\n".join(key.decode() for key in KEYS)
        + "\n"
    )
    assert read_keys(path) == KEYS
    for text, told in (("\n", "holds no key"), ("short\n", "fewer than 16")):
        path.write_text(text)
        with pytest.raises(InputError, match=told):
            read_keys(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_keys(tmp_path / "none")
