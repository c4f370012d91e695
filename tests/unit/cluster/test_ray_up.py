"""cluster/aws.yaml and gcp.yaml, by the schema and the checks that `ray up` itself makes."""

import copy
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from calcgen_ray.cluster import SERVE_DEFAULTS

ROOT = Path(__file__).parents[3]
CLOUDS = ("aws", "gcp")


def load(cloud):
    return yaml.safe_load((ROOT / f"cluster/{cloud}.yaml").read_text("utf-8"))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_takes_it(cloud):
    config = prepare_config(load(cloud))
    validate_config(config)
    assert config["provider"]["type"] == cloud
    assert set(config["available_node_types"]) == {"head", "gpu_spot"}


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("idle_timeout_minute",), 5),
        (("available_node_types", "gpu_spot", "min_worker"), 1),
        (("max_workers",), "8"),
        (("auth", "user"), "ubuntu"),
    ],
)
def test_a_misspelt_key_or_value_is_refused(path, wrong):
    config = copy.deepcopy(prepare_config(load("aws")))
    target = config
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = wrong
    with pytest.raises(jsonschema.ValidationError):
        validate_config(config)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_head_takes_no_work(cloud):
    config = load(cloud)
    head = config["available_node_types"][config["head_node_type"]]
    assert head["resources"]["CPU"] == 0 and head["max_workers"] == 0
    assert "--num-cpus=0" in config["head_start_ray_commands"][1]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_workers_are_spot_and_bounded(cloud):
    config = load(cloud)
    workers = config["available_node_types"]["gpu_spot"]
    assert 0 < workers["min_workers"] <= workers["max_workers"] <= config["max_workers"]
    assert 0 < config["idle_timeout_minutes"] <= 30
    spot = {
        "aws": lambda node: node["InstanceMarketOptions"]["MarketType"] == "spot",
        "gcp": lambda node: {"preemptible": True} in node["scheduling"],
    }
    assert spot[cloud](workers["node_config"])
    assert not re.search("spot|preemptible", str(config["available_node_types"]["head"]))


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_token_reaches_every_node_and_is_asked_for(cloud):
    config = load(cloud)
    home = f"/home/{config['auth']['ssh_user']}"
    assert config["file_mounts"][f"{home}/.ray/auth_token"] == "~/.ray/auth_token"
    for role in ("head", "worker"):
        assert "export RAY_AUTH_MODE=token" in config[f"{role}_start_ray_commands"][1]
    assert any("RAY_AUTH_MODE=token" in line for line in config["initialization_commands"])
    assert any("chmod 600" in line for line in config["initialization_commands"])


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_project_is_installed_with_its_pins(cloud):
    config = load(cloud)
    mounts = {k: v for k, v in config["file_mounts"].items() if "auth_token" not in k}
    assert all((ROOT / local).exists() for local in mounts.values())
    assert {"calcgen_ray", "pyproject.toml", "constraints.txt", "README.md"} <= set(mounts.values())
    install = " ".join(config["setup_commands"])
    assert "--constraint ~/calcgen/constraints.txt" in install and "--python 3.11" in install


@pytest.mark.parametrize("cloud", CLOUDS)
def test_it_opens_with_its_command_and_says_what_to_fill_in(cloud):
    text = (ROOT / f"cluster/{cloud}.yaml").read_text("utf-8")
    comment = text.split("cluster_name")[0]
    assert f"ray up cluster/{cloud}.yaml" in comment and "ray down" in comment
    assert "Fill in first" in comment and "FILL-IN" in text


@pytest.mark.parametrize("cloud", CLOUDS)
def test_serve_has_the_settings_of_the_clusters_that_calcgen_starts(cloud):
    config = load(cloud)
    for role in ("head", "worker"):
        command = config[f"{role}_start_ray_commands"][1]
        told = dict(re.findall(r"(RAY_SERVE_\w+)=(\S+)", command))
        assert len(told) == 3 and told.items() <= SERVE_DEFAULTS.items()
        assert command.index("RAY_SERVE_") < command.index("ray start")
