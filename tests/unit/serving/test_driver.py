"""What an endpoint is deployed with."""

import shutil

import pytest

from calcgen_ray.errors import InputError
from calcgen_ray.serving import driver
from calcgen_ray.serving.app import build
from calcgen_ray.serving.args import ServeArgs


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"),
        ("", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"), ("::", "http://[::1]:80"),
        ("fe80::2", "http://[fe80::2]:80"), ("example.org", "http://example.org:80"),
    ],
)  # fmt: skip
def test_addresses_have_brackets_where_they_need_them(host, url):
    assert driver.url_of(host, 80) == url


def test_the_network_needs_a_key():
    with pytest.raises(InputError, match=r"serve\.keys_file"):
        driver.start(ServeArgs(), host="0.0.0.0")


def deployed(folder):
    """What the replicas of a folder are made from, and how they are deployed."""
    bound = build(ServeArgs(checkpoint=str(folder)))._bound_deployment
    return bound.init_args[0], bound._deployment_config


def test_the_digest_of_a_folder_without_a_manifest_is_that_of_its_weights(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    first = deployed(folder)[0].digest
    assert deployed(folder)[0].digest == first
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert deployed(folder)[0].digest != first


def test_requests_have_time_to_end_when_a_replica_is_taken_away(tiny_model):
    served, config = deployed(tiny_model)
    assert config.graceful_shutdown_timeout_s == 30 and not served.open
