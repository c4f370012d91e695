"""Configuration: every preset and every search file loads; bad input is one clear line."""

from pathlib import Path

import pytest

from calcgen_ray import settings
from calcgen_ray.errors import ConfigError

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("tune_configs/**/*.yaml"))


@pytest.mark.parametrize("name", settings.presets())
def test_presets_load_and_come_back(name, tmp_path):
    config = settings.load(name)
    assert settings.presets()[name]
    path = tmp_path / "again.yaml"
    path.write_text(settings.dump(config))
    again = settings.load(str(path))
    assert again.model_dump(exclude={"base"}) == config.model_dump(exclude={"base"})


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_search_files_load_and_open_with_their_command(path):
    config = settings.load(str(path))
    lines = path.read_text().splitlines()
    assert lines[1] == f"# calcgen tune tune_configs/{path.relative_to(ROOT / 'tune_configs')}"
    assert config.tune.space


def test_there_are_files_to_load():
    assert {"embedded", "article", "codegen-350m"} <= set(settings.presets())
    assert "smoke.yaml" in {path.name for path in FILES}


def test_the_article_is_faithful():
    """reference: seq_len 128, batch 64, 200 samples, AdamW(lr=5e-5) as torch has it, fp32."""
    config = settings.load("article")
    assert (config.train.block_size, config.train.batch_size, config.train.steps) == (128, 64, 200)
    assert config.train.batching == "windows" and config.train.precision == "fp32"
    optim = config.optim
    assert (optim.lr, optim.schedule, optim.clip, optim.decay) == (5e-5, "constant", None, "all")
    assert (optim.beta1, optim.beta2, optim.eps, optim.weight_decay) == (0.9, 0.999, 1e-8, 0.01)
    assert config.model == "Salesforce/codegen-350M-mono"
    assert (config.sampling.temperature, config.sampling.max_tokens) == (1.4, 222)


BAD = {
    "optim.learing_rate=1": "did you mean 'optim.lr'",
    "optim.learning_rate=1": "did you mean 'optim.lr'",
    "traim.epochs=3": "did you mean 'train'",
    "optim.lr=fast": "optim.lr: got 'fast'",
    "optim.lr=0": "optim.lr: got 0",
    "optim.lr=-1e-3": "optim.lr: got -0.001",
    "optim.lr=.nan": "optim.lr: got nan",
    "optim.lr=null": "optim.lr: got None",
    "train.epochs=2.5": "train.epochs: got 2.5",
    "train.epochs=0": "train.epochs: got 0",
    "train.epochs=true": "train.epochs: got True",
    "train.epochs=1000000000": "less than or equal",
    "train.block_size=4096": "train.block_size: got 4096",
    "train.micro_batch_size=64": "more than train.batch_size",
    "workers.count=0": "workers.count: got 0",
    "model=": "model: got None",
    "run.name=../evil": "run.name: got '../evil'",
    "tune.space={}": "empty",
    "tune.space={optim.lr: {log_uniform: [0, 1]}}": "more than 0",
    "tune.space={optim.lr: {uniform: [2, 1]}}": "less than high",
    "tune.space={optim.lr: {choice: []}}": "needs a list",
    "tune.space={optim.lx: {choice: [1]}}": "unknown key 'optim.lx'",
    "tune.space={optim: {choice: [1]}}": "is a section",
    "no-equals": "write key.sub=value",
    "train={a: [}": "not valid YAML",
    "corpus.synthetic.easy_operators=[3, 2]": "corpus.synthetic.easy_operators: 3 is more than 2",
}


@pytest.mark.parametrize("override", BAD)
def test_bad_values_are_one_line(override):
    with pytest.raises(ConfigError) as error:
        settings.load("embedded", [override])
    assert BAD[override] in str(error.value)
    assert "\n" not in str(error.value)


BAD_FILES = {
    "": "holds NoneType",
    "- a": "holds list",
    "run: {name: a, name: b}": "stands twice",
    "a: [1": "not valid YAML",
    "a: !!python/object/apply:os.system [ls]": "not valid YAML",
    "base: nowhere": "neither a preset nor a file",
    "base: [1]": "base: got [1]",
    "a: &x [1]\nb: [" + "*x, " * 60 + "]": "more than 50 YAML aliases",
    "\tx: 1": "not valid YAML",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_bad_files_are_one_line(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        settings.load(str(path))
    assert BAD_FILES[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_base_and_overrides_stack(tmp_path):
    low, high = tmp_path / "low.yaml", tmp_path / "high.yaml"
    low.write_text("base: embedded\noptim: {lr: 1e-4, clip: 2.0}\n")
    high.write_text(f"base: {low}\noptim: {{lr: 2e-4}}\n")
    config = settings.load(str(high), ["optim.eps=1e-6"])
    assert (config.optim.lr, config.optim.clip, config.optim.eps) == (2e-4, 2.0, 1e-6)
    low.write_text(f"base: {high}\n")
    with pytest.raises(ConfigError, match="circle"):
        settings.load(str(high))


def test_names_follow_what_training_depends_on():
    one = settings.load("embedded")
    assert one.run_name == settings.load("embedded", ["serve.port=9000"]).run_name
    assert one.run_name != settings.load("embedded", ["optim.lr=1e-3"]).run_name
