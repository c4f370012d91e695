"""What is live changes under load on a real Ray Serve, and never to a damaged checkpoint."""

import json
import shutil

import httpx
import pytest

from calcgen_ray.generate.convert import to_ctranslate2
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.model.loading import load_model, load_model_tokenizer
from calcgen_ray.registry.store import MODELS, PROMOTED, Registry
from tests.serve.conftest import await_true
from tests.serve.traffic import Traffic

pytestmark = pytest.mark.serve


@pytest.fixture
def registry(entry):
    """The endpoint's; afterwards as it was."""
    found = Registry(entry.path.parents[1])
    before = (found.root / PROMOTED).read_text("utf-8")
    yield found
    (found.root / PROMOTED).write_text(before, "utf-8")
    for other in (found.root / MODELS).iterdir():
        if other != entry.path:
            shutil.rmtree(other)


def live(url):
    """The digest of what answers."""
    body = {"prompt": "x", "max_tokens": 1}
    return httpx.post(f"{url}/v1/completions", json=body, timeout=30).json()["system_fingerprint"]


def refused(url):
    """Which checkpoint it does not take."""
    return httpx.get(f"{url}/ready", timeout=30).json().get("refused", "")


@pytest.fixture
def newer(tiny_model, tmp_path):
    """Other weights that give the same greedy answers."""
    model, tokenizer = load_model(str(tiny_model)), load_model_tokenizer(str(tiny_model))
    model.lm_head.weight.data *= 2
    model.lm_head.bias.data *= 2

    def fill(draft):
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)

    return checkpoints.write_folder(tmp_path / "newer", fill, step=2, metrics={}).path


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.soak)])
@pytest.mark.timeout(900)
def test_a_promotion_and_a_rollback_lose_nothing(url, entry, registry, newer, rounds):
    with Traffic(url, 2, pause=0.05) as traffic:
        for _ in range(rounds):
            promoted = registry.promote(newer, "newer", to_ctranslate2)
            assert promoted.digest != entry.digest
            assert await_true(lambda wanted=promoted.digest: live(url) == wanted, 30)
            assert registry.roll_back().digest == entry.digest
            assert await_true(lambda: live(url) == entry.digest, 30)
    print(f"{len(traffic.good)} answered, {len(traffic.failed)} failed")
    assert traffic.good and not traffic.failed and not traffic.wrong


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def nan(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\xc0\x7f")


def foreign(folder):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"A": "b.C"}}), "utf-8")


def other_vocabulary(folder):
    shutil.rmtree(folder / "engine-int8")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 7}), "utf-8")


@pytest.mark.parametrize("damage", [cut, nan, foreign, other_vocabulary])
def test_a_bad_checkpoint_is_refused_and_the_old_one_goes_on(url, entry, registry, damage):
    """Damaged after its manifest was written, or with a manifest that agrees with the damage."""
    bad = registry.root / MODELS / f"bad-{damage.__name__}"

    def fill(draft):
        shutil.copytree(entry.path, draft, dirs_exist_ok=True)
        damage(draft)

    checkpoints.write_folder(bad, fill, step=3, metrics={})
    with Traffic(url, 2, pause=0.05) as traffic:
        state = json.loads((registry.root / PROMOTED).read_text("utf-8"))
        (registry.root / PROMOTED).write_text(json.dumps(state | {"live": bad.name}), "utf-8")
        assert await_true(lambda: bad.name in refused(url), 30)
        assert live(url) == entry.digest
    assert traffic.good and not traffic.failed and not traffic.wrong
