"""cluster/kuberay against KubeRay's own schemas, and against the rest of the project."""

import gzip
import json
import shlex
from pathlib import Path

import jsonschema
import pytest
import yaml

from calcgen_ray import settings
from calcgen_ray.serving.args import ServeArgs

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "tests/data/kuberay"
METADATA = {name: {"type": "string"} for name in ("name", "namespace")} | {
    name: {"type": "object", "additionalProperties": {"type": "string"}}
    for name in ("labels", "annotations")
}
KINDS = ("raycluster", "rayjob", "rayservice")


def closed(schema):
    """A structural schema as the API server prunes by it: a field that is not named is none."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {
        key: {name: closed(part) for name, part in value.items()}
        if key == "properties"
        else closed(value)
        for key, value in schema.items()
    }
    free = schema.get("x-kubernetes-preserve-unknown-fields")
    if schema.get("type") == "object" and "additionalProperties" not in schema and not free:
        shut["additionalProperties"] = False
    if schema.get("nullable") and "type" in schema:
        shut["type"] = [schema["type"], "null"]
    return shut


@pytest.fixture(scope="module")
def validators():
    found = {}
    for kind in KINDS:
        schema = json.loads(gzip.decompress((SCHEMAS / f"{kind}.json.gz").read_bytes()))
        schema["properties"]["metadata"] = {"type": "object", "properties": METADATA}
        schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
        found[kind] = jsonschema.Draft202012Validator(closed(schema))
    return found


def load(kind):
    return yaml.safe_load((ROOT / f"cluster/kuberay/{kind}.yaml").read_text("utf-8"))


def spec(kind):
    """The Ray cluster of a manifest."""
    inside = {"raycluster": (), "rayjob": ("rayClusterSpec",), "rayservice": ("rayClusterConfig",)}
    found = load(kind)["spec"]
    for key in inside[kind]:
        found = found[key]
    return found


def containers(kind):
    ray = spec(kind)
    groups = [ray["headGroupSpec"], *ray["workerGroupSpecs"]]
    return [c for group in groups for c in group["template"]["spec"]["containers"]]


def pin(package):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line.split("==")[1] for line in lines if line.startswith(f"{package}=="))


@pytest.mark.parametrize("kind", KINDS)
def test_kuberay_takes_it(kind, validators):
    manifest = load(kind)
    errors = [f"{e.json_path}: {e.message}" for e in validators[kind].iter_errors(manifest)]
    assert not errors
    assert manifest["apiVersion"] == "ray.io/v1" and manifest["kind"].lower() == kind


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("raycluster", ("spec", "authOptions"), {"mode": "token", "secret": "x"}),
        ("raycluster", ("spec", "authOptions", "mode"), "tokens"),
        ("raycluster", ("spec", "workerGroupSpecs", 0, "maxReplica"), 3),
        ("raycluster", ("spec", "workerGroupSpecs", 0, "template", "spec", "toleration"), []),
        ("raycluster", ("metadata", "label"), {}),
        ("raycluster", ("status_",), {}),
        ("rayjob", ("spec", "backOffLimit"), 1),
        ("rayjob", ("spec", "ttlSecondsAfterFinished"), "600"),
        ("rayservice", ("spec", "serveConfigV3"), ""),
        ("rayservice", ("spec", "rayClusterConfig", "headGroupSpec", "template", "spec",
                        "containers", 0, "livenessProbe", "httpGet", "uri"), "/"),
    ],
)  # fmt: skip
def test_a_misspelt_field_or_value_is_refused(kind, path, wrong, validators):
    manifest = json.loads(json.dumps(load(kind)))  # aliases become copies
    target = manifest
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = wrong
    errors = list(validators[kind].iter_errors(manifest))
    assert len(errors) == 1
    assert errors[0].validator in {"additionalProperties", "enum", "type"}


@pytest.mark.parametrize("kind", KINDS)
def test_versions_are_the_projects(kind):
    assert spec(kind)["rayVersion"] == pin("ray")
    project = (ROOT / "pyproject.toml").read_text()
    images = {container["image"] for container in containers(kind)}
    assert len(images) == 1
    assert f'version = "{images.pop().split(":")[1].split("-")[0]}"' in project


@pytest.mark.parametrize("kind", KINDS)
def test_a_cluster_is_as_documented(kind):
    ray = spec(kind)
    assert ray["authOptions"] == {"mode": "token"}
    assert ray["enableInTreeAutoscaling"] and ray["autoscalerOptions"]["version"] == "v2"
    assert ray["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    (group,) = ray["workerGroupSpecs"]
    assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    taints = {toleration["key"] for toleration in group["template"]["spec"]["tolerations"]}
    assert taints == {"nvidia.com/gpu", "cloud.google.com/gke-spot"}
    for container in containers(kind):
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["livenessProbe"] and container["readinessProbe"]
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"/dev/shm", "/runs"} <= mounts
    assert containers(kind)[1]["resources"]["limits"]["nvidia.com/gpu"] == "1"


@pytest.mark.parametrize("kind", KINDS)
def test_volumes_and_claims_exist(kind):
    ray = spec(kind)
    claim = load("storage")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for group in (ray["headGroupSpec"], *ray["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        used = {mount["name"] for c in pod["containers"] for mount in c["volumeMounts"]}
        assert used == set(volumes)
        assert volumes["runs"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert volumes["shared-memory"]["emptyDir"]["medium"] == "Memory"
        assert pod["securityContext"]["runAsNonRoot"]


def test_the_job_fits_its_cluster():
    """calcgen refuses a plan that the cluster cannot hold when it starts."""
    job = load("rayjob")["spec"]
    assert job["shutdownAfterJobFinishes"] and job["ttlSecondsAfterFinished"] > 0
    assert job["backoffLimit"] >= 1
    program, verb, preset, *overrides = shlex.split(job["entrypoint"])
    assert (program, verb) == ("calcgen", "train")
    config = settings.load(preset, overrides)
    (group,) = spec("rayjob")["workerGroupSpecs"]
    assert config.workers.count == group["minReplicas"]
    assert config.workers.cpus <= float(containers("rayjob")[1]["resources"]["limits"]["cpu"])
    assert config.run.name and str(config.run.storage) == "/runs"


def test_the_service_deploys_the_application_of_serve():
    """The same application, with the arguments of both files in serve/."""
    from ray.serve.schema import ServeDeploySchema

    deploy = yaml.safe_load(load("rayservice")["spec"]["serveConfigV2"])
    ServeDeploySchema.model_validate(deploy)
    (app,) = deploy["applications"]
    files = [yaml.safe_load((ROOT / f"serve/{n}.yaml").read_text()) for n in ("config", "gpu")]
    known = [config["applications"][0] for config in files]
    for key in ("name", "route_prefix", "import_path"):
        assert app[key] == known[0][key]
    assert set(app["args"]) == set(known[0]["args"]) | set(known[1]["args"])
    args = ServeArgs(**app["args"])
    (group,) = spec("rayservice")["workerGroupSpecs"]
    assert args.max_replicas == group["maxReplicas"]
    mounts = containers("rayservice")[1]["volumeMounts"]
    assert any(Path(args.keys_file).is_relative_to(mount["mountPath"]) for mount in mounts)
    assert f"{load('rayservice')['metadata']['name']}-serve-svc" in args.hosts
