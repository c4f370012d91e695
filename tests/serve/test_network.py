"""An endpoint that other machines reach, as `serve deploy` makes one: they need a key."""

import socket

import httpx
import pytest

from calcgen_ray.serving import driver
from calcgen_ray.serving.app import build

pytestmark = pytest.mark.serve


@pytest.fixture
def everywhere(url, args, free_port):
    """The endpoint on all of this machine's addresses, without a key; then as it was."""
    port = int(url.rpartition(":")[2])
    driver.stop()
    yield driver.deploy(build(args), "0.0.0.0", free_port())
    driver.stop()
    driver.start(args, port=port)


def own_address():
    """An address of this machine that is not its loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("this machine has no other address")
    return address


def test_a_client_from_the_network_is_refused_without_keys(everywhere):
    assert httpx.get(f"{everywhere}/v1/models").status_code == 200
    port = everywhere.rpartition(":")[2]
    elsewhere = f"http://{own_address()}:{port}"
    here = {"host": "127.0.0.1"}
    for path in ("/v1/models", "/", "/metrics"):
        answer = httpx.get(f"{elsewhere}{path}", headers=here)
        assert answer.status_code == 403, path
        assert "serve.keys_file" in answer.json()["error"]["message"]
    assert httpx.get(f"{elsewhere}/health", headers=here).status_code == 200


@pytest.mark.parametrize(
    "headers", [[("x-a", "b")] * 257, [("x-long", "a" * (5 << 20))]], ids=["lines", "bytes"]
)
def test_headers_are_limited_behind_serves_proxy(url, headers):
    """Those that come to their end; for others see "On a network" in serve/README.md."""
    answer = httpx.get(f"{url}/health", headers=headers, timeout=30)
    assert answer.status_code == 431
    assert answer.json()["error"]["code"] == "headers_too_large"
