"""What a search may search: each key and each of its values is checked before anything runs."""

import pytest

from calcgen_ray import settings
from calcgen_ray.errors import ConfigError
from calcgen_ray.tune.driver import check

BAD = {
    "{model: {choice: [a]}}": "model: cannot be searched; allowed are keys of optim and of train",
    "{run.seed: {choice: [1]}}": "run.seed: cannot be searched",
    "{train.valid_cells: {choice: [9]}}": "train.valid_cells: cannot be searched",
    "{train.eval_steps: {choice: [9]}}": "train.eval_steps: cannot be searched",
    "{train.epochs: {uniform: [1, 4]}}":
        "train.epochs: got 1.0; input should be a valid integer; use int_uniform or choice",
    "{train.patience: {log_uniform: [1, 4]}}":
        "train.patience: got 1.0; input should be a valid integer; use int_uniform or choice",
    "{train.epochs: {int_uniform: [0, 4]}}": "train.epochs: got 0; input should be greater than",
    "{optim.lr: {log_uniform: [0.1, 2]}}": "optim.lr: got 2.0; input should be less than or equal",
    "{optim.beta1: {uniform: [0.5, 1]}}": "optim.beta1: got 1.0; input should be less than 1",
    "{optim.lr: {choice: [0.1, slow]}}": "optim.lr: got 'slow'; input should be a valid number",
    "{optim.lr: {choice: [0.1]}, optim.clip: {choice: [-1]}}":
        "optim.clip: got -1; input should be greater than 0",
    "{optim.schedule: {choice: [cosine, sine]}}": "optim.schedule: got 'sine'; input should be",
    "{train.batch_size: {choice: [16, 4]}}":
        "train.batch_size: got 4; train.micro_batch_size: 8 is more than train.batch_size 4",
    "{train.batch_size: {choice: [16, 8]}, train.micro_batch_size: {choice: [8, 16]}}":
        "train.micro_batch_size: got 16; train.micro_batch_size: 16 is more than",
    "{train.block_size: {choice: [256, 1024]}}": "train.block_size: got 1024; at most 512",
}  # fmt: skip


@pytest.mark.parametrize("space", BAD)
def test_bad_spaces_are_one_line(space):
    with pytest.raises(ConfigError) as error:
        settings.load("embedded", [f"tune.space={space}"])
    assert str(error.value).startswith(f"tune.space.{BAD[space]}")
    assert "\n" not in str(error.value)


PBT = "scheduler: pbt, space: {optim.lr: {uniform: [0.1, 0.2]}}"
PLANS = {
    "searcher=grid": "tune.space.optim.lr: must be choice: [...] for searcher grid",
    "scheduler=pbt": "tune.space.train.epochs: cannot change while a model trains",
    "mode=max": "unknown key 'tune.mode': perplexity on validation cells is what a search",
    "metric=loss": "unknown key 'tune.metric': perplexity on validation cells",
}


@pytest.mark.parametrize("override", PLANS)
def test_plans_that_cannot_be_name_their_key(override):
    with pytest.raises(ConfigError) as error:
        settings.load("embedded", [f"tune.{override}"])
    assert str(error.value).startswith(PLANS[override]) and "\n" not in str(error.value)


def test_population_based_training_counts_epochs_at_a_constant_rate():
    constant = "optim.schedule=constant"
    settings.load("embedded", [f"tune={{{PBT}}}", constant])
    for told, overrides in (
        ("optim.schedule: cosine runs over", [f"tune={{{PBT}}}"]),
        ("tune.trials: 6 is no multiple of population 4", [f"tune={{trials: 6, {PBT}}}", constant]),
        (
            "train.steps: got 9; pbt trains by epochs",
            [f"tune={{{PBT}}}", constant, "train.steps=9"],
        ),
    ):
        with pytest.raises(ConfigError, match=told):
            settings.load("embedded", overrides)


def test_values_are_checked_beside_those_of_the_other_keys():
    """A batch of 4 fits no passes of 8 rows, which are the default, but those that are searched."""
    space = "{train.batch_size: {choice: [4, 16]}, train.micro_batch_size: {int_uniform: [2, 4]}}"
    assert settings.load("embedded", [f"tune.space={space}"]).tune.space
    long = "{train.block_size: {choice: [1024]}, train.patience: {choice: [1, null]}}"
    assert settings.load("embedded", [f"tune.space={long}"]).tune.space


def test_epochs_are_not_searched_where_steps_decide():
    """A training may well have steps beside a space that nobody searches."""
    config = settings.load("embedded", ["train.steps=9"])
    with pytest.raises(ConfigError, match=r"train\.epochs: train\.steps overrides it, and it is 9"):
        check(config)
    check(settings.load("article"))
    both = "tune.space={train.steps: {choice: [9]}, train.epochs: {choice: [1]}}"
    with pytest.raises(ConfigError, match="it is searched, too"):
        check(settings.load("embedded", [both]))
