"""From a name to a checkpoint folder."""

from __future__ import annotations

import pytest

from calcgen_ray.errors import CheckpointError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.registry.locate import find_checkpoint


def write(root, step, perplexity=None):
    metrics = {} if perplexity is None else {"perplexity": perplexity}
    target = root / "checkpoints" / checkpoints.folder_name(step)
    checkpoints.write_folder(
        target, lambda d: (d / "config.json").write_text("{}"), step=step, metrics=metrics
    )
    return target


@pytest.fixture
def storage(tmp_path):
    return tmp_path / "runs"


def test_the_best_of_a_run(storage):
    write(storage / "demo", 1, 9.0)
    best = write(storage / "demo", 2, 3.0)
    write(storage / "demo", 3, 4.0)
    assert find_checkpoint("demo", storage) == best
    assert find_checkpoint(str(storage / "demo"), storage) == best
    assert find_checkpoint(str(storage / "demo" / "checkpoints"), storage) == best
    assert find_checkpoint(str(best), storage) == best


def test_the_newest_where_none_was_scored(storage):
    write(storage / "demo", 1)
    newest = write(storage / "demo", 2)
    assert find_checkpoint("demo", storage) == newest


def test_a_search_trial_may_win(storage):
    write(storage / "demo", 5, 3.0)
    write(storage / "demo" / "tune" / "trials" / "a", 1, 4.0)
    best = write(storage / "demo" / "tune" / "trials" / "b", 1, 2.0)
    assert find_checkpoint("demo", storage) == best
    assert find_checkpoint(str(storage / "demo" / "tune"), storage) == best
    assert find_checkpoint(str(storage / "demo" / "tune" / "trials" / "a"), storage) != best


def test_a_trial_that_diverged_never_wins(storage):
    """As in the search's own table: what it scored before it broke down counts for nothing."""
    trials = storage / "asha" / "trials"
    write(trials / "0000", 1, 1.0)
    best = write(trials / "0001", 1, 3.0)
    (trials / "0000" / "trial.json").write_text('{"state": "diverged"}')
    (trials / "0001" / "trial.json").write_text('{"state": "finished"}')
    assert find_checkpoint("asha", storage) == best


def test_damaged_best_gives_way(storage):
    good = write(storage / "demo", 1, 9.0)
    (write(storage / "demo", 2, 3.0) / "config.json").write_text("{} ")
    assert find_checkpoint("demo", storage) == good


def test_registry_entry_by_id(storage):
    folder = storage / "registry" / "models" / "demo-12345678"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert find_checkpoint("demo-12345678", storage) == folder


@pytest.mark.parametrize("target", ["dmeo", "", "/no/such/place", "../x", "nothing\n"])
def test_a_miss_is_one_line(storage, target):
    write(storage / "demo", 1, 9.0)
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(target, storage)
    assert "\n" not in str(caught.value)


def test_a_miss_names_what_is_near(storage):
    write(storage / "demo", 1, 9.0)
    with pytest.raises(CheckpointError, match=r"'dmeo'.*did you mean demo\?"):
        find_checkpoint("dmeo", storage)


def test_an_empty_storage(storage):
    with pytest.raises(CheckpointError, match="holds no run yet"):
        find_checkpoint("demo", storage)


def test_a_run_without_a_finished_checkpoint(storage):
    (storage / "demo" / "checkpoints").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="holds neither"):
        find_checkpoint("demo", storage)
