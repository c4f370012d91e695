"""Who answers at an address, with which token, and what is said when it is not as it should be."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from calcgen_ray.errors import ResourceError
from calcgen_ray.jobs import agreement, head, token
from calcgen_ray.jobs.token import Token

ANSWERS = {
    "/api/version": {"ray_version": "2.60.0"},
    "/api/v0/cluster_metadata": {"data": {"pythonVersion": "3.11.7"}},
    "/nodes?view=hostNameList": {"data": {"hostNameList": ["a", "b"]}},
}


class Dashboard(BaseHTTPRequestHandler):
    """Wants the token `good`; below /page it is somebody else's web page."""

    def do_GET(self):
        given = self.headers.get("Authorization")
        body = json.dumps(ANSWERS.get(self.path, {}))
        code = 401 if given is None else 200 if given == "Bearer good" else 403
        if given == "Bearer page":
            code, body = 200, "<html>"
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    with HTTPServer(("127.0.0.1", 0), Dashboard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_it_says(address):
    found = head.ask(address, Token("good", "x"))
    assert found.versions == {"Ray": "2.60.0", "Python": "3.11.7"}
    assert found.hosts == {"a", "b"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "asks for a token and none was sent: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN,"),
        (Token("bad", "RAY_AUTH_TOKEN"), "does not take the token of RAY_AUTH_TOKEN: set"),
        (Token("page", "x"), "answers, but is no Ray dashboard"),
    ],
)
def test_refusals_name_the_address_and_what_to_set(address, given, said):
    with pytest.raises(ResourceError, match=said) as refused:
        head.ask(address, given)
    assert address in str(refused.value) and "\n" not in str(refused.value)
    assert given is None or given.value not in str(refused.value).split()


def test_nobody_there():
    with pytest.raises(ResourceError, match=r"no Ray dashboard answers at http://127.0.0.1:9 "):
        head.ask("http://127.0.0.1:9", None)


@pytest.mark.parametrize(
    ("given", "environment", "wanted"),
    [
        ("http://h:8265/", {}, "http://h:8265"),
        ("h:8265", {"RAY_API_SERVER_ADDRESS": "http://other"}, "http://h:8265"),
        (None, {"RAY_API_SERVER_ADDRESS": "https://h"}, "https://h"),
        (None, {"RAY_ADDRESS": "http://h:1"}, "http://h:1"),
    ],
)
def test_addresses(given, environment, wanted):
    assert head.address_of(given, environment) == wanted


@pytest.mark.parametrize("given", ["ray://h:10001", "http://", "http://h:x", "http://h/a/b", None])
def test_bad_addresses(given):
    with pytest.raises(ResourceError, match="http://HEAD:8265"):
        head.address_of(given, {"RAY_ADDRESS": "127.0.0.1:6379"})


def test_where_the_token_comes_from(tmp_path):
    assert token.find({}, tmp_path) is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("home\n")
    (tmp_path / "named").write_text(" named \n")
    path = {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "named")}
    assert token.find({}, tmp_path).value == "home"
    assert token.find(path, tmp_path).value == "named"
    found = token.find({**path, "RAY_AUTH_TOKEN": "direct"}, tmp_path)
    assert found.headers == {"Authorization": "Bearer direct"} and "direct" not in repr(found)
    assert token.find({**path, "RAY_AUTH_MODE": "disabled"}, tmp_path) is None


def test_a_token_that_is_none(tmp_path):
    with pytest.raises(ResourceError, match=r"none.txt cannot be read"):
        token.find({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "none.txt")}, tmp_path)
    for value in ("two words", "ключ"):
        with pytest.raises(ResourceError, match="RAY_AUTH_TOKEN holds no token"):
            token.find({"RAY_AUTH_TOKEN": value}, tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(ResourceError, match="holds no token"):
        token.find({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "empty")}, tmp_path)


@pytest.mark.parametrize(
    ("theirs", "wrong", "noted"),
    [
        ({"Ray": "2.60.0", "Python": "3.11.14"}, 0, 0),
        ({"Ray": "2.60.1", "Python": "3.11.7"}, 0, 1),
        ({"Ray": "2.59.0", "Python": "3.11.7"}, 1, 0),
        ({"Ray": "2.60.0", "Python": "3.12.7"}, 1, 0),
        ({"Ray": "3.60.0", "Python": "3.12.7"}, 2, 0),
        ({"Ray": "2.60.0"}, 0, 0),
    ],
)
def test_versions(theirs, wrong, noted):
    mine = {"Ray": "2.60.0", "Python": "3.11.7"}
    assert len(agreement.disagreements(mine, theirs)) == wrong
    assert len(agreement.notes(mine, theirs)) == noted
