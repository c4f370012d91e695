"""The playground as files: who may read them, and what they may do. No browser is needed."""

import re

import pytest
from starlette.testclient import TestClient

from calcgen_ray.serving import playground
from calcgen_ray.serving.access import Policy
from calcgen_ray.serving.api import build_api
from calcgen_ray.serving.backend import Backend

KEY = "correct-horse-battery"
BASE = "http://127.0.0.1:8000"
OWN = {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg"}
"""Addresses that are names: nobody asks them."""
HERE = ("127.0.0.1", 50000)
SINKS = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
    "createContextualFragment", "setHTMLUnsafe", "srcdoc",
)  # fmt: skip


@pytest.fixture
def client():
    with TestClient(
        build_api(Backend(models=None), Policy()), base_url=BASE, client=HERE
    ) as client:
        yield client


@pytest.fixture
def locked():
    policy = Policy((KEY.encode(),), ("127.0.0.1", "example.org"))
    with TestClient(build_api(Backend(models=None), policy), base_url=BASE, client=HERE) as client:
        yield client


def sources():
    return {path.name: path.read_text("utf-8") for path in playground.FOLDER.iterdir()}


def test_every_file_is_served_as_what_it_is(client):
    assert {path.name for path in playground.FOLDER.iterdir()} == set(playground.PATHS.values())
    kinds = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
    for path, name in playground.PATHS.items():
        answer = client.get(path)
        assert answer.status_code == 200 and answer.text == sources()[name]
        assert answer.headers["content-type"] == f"{kinds[name.split('.')[1]]}; charset=utf-8"
    for path in ("/playground/", "/playground/none.js", "/playground/../api.py", "/playground"):
        assert client.get(path).status_code == 404


def test_the_policy_allows_the_endpoint_alone(client):
    for path in playground.PATHS:
        headers = client.get(path).headers
        rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert rules["default-src"] == "'none'" and rules["frame-ancestors"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
        assert rules["img-src"] == "'self' data:" and rules["base-uri"] == "'none'"
        assert rules["form-action"] == "'none'" and rules["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_a_file_that_is_known_is_not_sent_again(client):
    first = client.get("/playground/app.js")
    again = client.get("/playground/app.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content
    assert again.headers["content-security-policy"] == playground.POLICY
    assert len({client.get(path).headers["etag"] for path in playground.PATHS}) == len(
        playground.PATHS
    )


def test_no_file_names_another_host():
    for name, text in sources().items():
        assert set(re.findall(r"\w+://[^\s\"'`)$]*", text)) <= OWN, name
        assert not re.search(r"[\"'(]//", text), name


def test_no_text_becomes_markup():
    for name, text in sources().items():
        if name.endswith(".js"):
            assert not [sink for sink in SINKS if sink in text], name
        if name.endswith(".html"):
            assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:|<script>", text)


def test_every_file_can_be_read_in_one_sitting():
    assert max(len(text.splitlines()) for text in sources().values()) < 300


def test_the_page_is_open_and_nothing_else(locked):
    for path in playground.PATHS:
        assert locked.get(path).status_code == 200
        assert KEY not in locked.get(path).text
    for path in (
        "/v1/models",
        "/docs",
        "/playground/none.js",
        "/playground/app.js/",
        "/index.html",
    ):
        assert locked.get(path).status_code == 401, path


def test_hosts_and_origins_are_checked_for_the_page(locked):
    for path in playground.PATHS:
        assert locked.get(path, headers={"host": "evil.example"}).status_code == 400
        foreign = {"origin": "http://evil.example"}
        assert locked.post(path, headers=foreign).status_code == 403
        assert locked.get(path, headers={"host": "example.org"}).status_code == 200


def test_the_page_is_no_route_of_the_api(client):
    assert "/" not in client.get("/openapi.json").json()["paths"]
