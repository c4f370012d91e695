"""A search on a real Ray cluster of this machine: Tune over Train, and what it leaves behind."""

import csv
import json
import math
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from calcgen_ray import cluster, settings
from calcgen_ray.errors import ConfigError, DataError, ResourceError, TuneError
from calcgen_ray.model.checkpoint import verify
from calcgen_ray.report.search import CURVES, HEAT, PARALLEL, SPENT, plot_search
from calcgen_ray.train import journal
from calcgen_ray.train.run import locked
from calcgen_ray.tune import table
from calcgen_ray.tune.driver import concurrency, tune
from calcgen_ray.tune.study import read
from calcgen_ray.tune.trial import run_trial

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def ray_cluster():
    """As a search starts its own."""
    cluster.connect(dashboard=False)
    yield
    cluster.disconnect()


@pytest.fixture(scope="module")
def search(tiny_config):
    return settings.replace(
        tiny_config,
        {
            "tune.trials": 3,
            "tune.scheduler": "none",
            "tune.space": {"optim.lr": {"choice": [1e-5, 1e-2]}, "train.epochs": {"choice": [2]}},
        },
    )


@pytest.fixture(scope="module")
def searched(search, corpus, tmp_path_factory, ray_cluster):
    """A finished search: its result and what was heard of it, by who cannot be pickled."""
    heard, folder = [], tmp_path_factory.mktemp("search")
    interrupt = signal.getsignal(signal.SIGINT)
    with (folder.parent / "heard.log").open("w") as log:

        def hear(event):
            heard.append(event)
            log.write(f"{event}\n")

        found = tune(search, corpus, folder, hear)
    assert signal.getsignal(signal.SIGINT) is interrupt  # what runs next hears Ctrl-C, too
    return found, heard


def test_a_search_ranks_by_perplexity(search, searched):
    found, heard = searched
    assert len(found.rows) == 3
    scores = [row.perplexity for row in found.rows]
    assert scores == sorted(scores) and found.best.values["optim.lr"] == 1e-2
    assert {event["event"] for event in heard} == {"start", "result", "end"}
    winner = verify(Path(found.best.checkpoint))
    assert winner.metrics["perplexity"] == pytest.approx(found.best.perplexity)
    best = settings.load(str(found.folder / table.BEST))
    assert best.optim.lr == 1e-2
    with (found.folder / table.TABLE).open() as stream:
        assert [float(row["perplexity"]) for row in csv.DictReader(stream)] == pytest.approx(
            scores, abs=1e-3
        )
    assert (found.folder / table.MARKDOWN).read_text().count("\n") == 5
    told = json.loads((found.folder / table.JSON).read_text())
    assert [row["perplexity"] for row in told] == pytest.approx(scores, abs=1e-3)
    drawn = plot_search(search, found.folder)
    assert {path.name for path in drawn} == {HEAT, CURVES, PARALLEL, SPENT}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_the_same_command_again_runs_nothing(search, searched, corpus, ray_cluster):
    first, _ = searched
    (first.folder / ".ray" / "tune" / "tuner.pkl").write_bytes(b"")
    heard = []
    assert tune(search, corpus, first.folder, heard.append) == first
    assert heard == []


def test_a_trial_without_its_folder_runs_again(search, searched, corpus, tmp_path, ray_cluster):
    first, _ = searched
    shutil.copytree(first.folder, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "trials" / first.best.trial)
    heard = []
    again = tune(search, corpus, tmp_path / "copy", heard.append)
    assert {event["trial"] for event in heard} == {first.best.trial}
    assert again.best.trial == first.best.trial
    assert again.best.perplexity == pytest.approx(first.best.perplexity)


@pytest.mark.soak
def test_pruned_trials_give_everything_back(search, corpus, tmp_path, ray_cluster):
    """Trials that end after an epoch, one after another, two at once."""
    found = tune(pruning(search, 24), corpus, tmp_path / "search", lambda event: None)
    pruned = sum(row.status == "pruned" for row in found.rows)
    print(f"of 24 trials {pruned} pruned")
    assert pruned >= 20
    assert_all_is_given_back()


def pruning(search, trials):
    """A search of ever lower rates, of which few trials outlive their first epoch."""
    return settings.replace(
        search,
        {
            "tune.searcher": "grid", "tune.scheduler": "asha", "tune.reduction_factor": 16,
            "tune.space": {"optim.lr": {"choice": [1e-2 / 1.3**n for n in range(trials)]}},
            "train.epochs": 3,
        },
    )  # fmt: skip


def assert_all_is_given_back(held_cpus=0):
    """Within 10 s no placement group is left, and no CPU but those that the test holds."""
    import ray
    from ray.util import placement_group_table

    end = time.monotonic() + 10
    while time.monotonic() < end:
        held = [g for g in placement_group_table().values() if g["state"] != "REMOVED"]
        left = ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0)
        if not held and left == held_cpus:
            break
        time.sleep(0.2)
    assert not held and left == held_cpus


@pytest.mark.parametrize("trials", [4, pytest.param(24, marks=pytest.mark.soak)])
def test_trials_pruned_while_they_wait_give_everything_back(
    search, corpus, tmp_path, ray_cluster, trials
):
    """Two at once where only one has a CPU: the other is ended while its workers wait for one."""
    import ray

    held = ray.remote(num_cpus=1)(Sitter).remote()
    try:
        ray.get(held.sit.remote())
        folder = tmp_path / "search"
        wanted = settings.replace(pruning(search, trials), {"tune.concurrent": 2})
        found = tune(wanted, corpus, folder, lambda event: None, trial=waiting_trial)
        pruned = {row.trial for row in found.rows if row.status == "pruned"}
        begun = {path.parent.name for path in folder.glob(f"trials/*/{journal.JOURNAL}")}
        print(f"of {trials} trials {len(pruned)} pruned, {len(pruned - begun)} while they waited")
        assert len(found.rows) == trials and len(pruned - begun) >= trials // 4
        assert_all_is_given_back(held_cpus=1)
    finally:
        ray.kill(held)


class Sitter:
    """Holds the CPU that it is given."""

    def sit(self): ...


def waiting_trial(proposal, payload):
    """Trains as a trial does; where its workers must wait for a CPU it tells a bad score."""
    from ray import tune as ray_tune
    from ray.util import placement_group_table

    home = Path(proposal["folder"])

    def tell():
        while not (home / journal.JOURNAL).exists():
            states = [group["state"] for group in placement_group_table().values()]
            known = any(trial.scores for trial in read(home.parents[1]))
            if known and "PENDING" in states and proposal["number"] % 2:
                ray_tune.report({"perplexity": 1e3, "epoch": 1.0, "step": 1, "tokens": 1})
                return
            time.sleep(0.2)

    threading.Thread(target=tell, daemon=True).start()
    run_trial(proposal, payload)


def fake_trial(proposal, payload):
    """Reports as a training would, and trains nothing."""
    from ray import tune as ray_tune

    lr = proposal["values"]["optim.lr"]
    for epoch in (1, 2, 3):
        score = 2 + abs(math.log10(lr) + 3) + 1 / epoch
        ray_tune.report(
            {"perplexity": score, "epoch": float(epoch), "step": epoch, "tokens": epoch}
        )


@pytest.mark.soak
def test_two_hundred_trials_keep_the_driver_small(search, corpus, tmp_path, ray_cluster):
    wanted = settings.replace(
        search,
        {
            "tune.trials": 200, "tune.scheduler": "asha", "tune.searcher": "optuna",
            "tune.space": {"optim.lr": {"log_uniform": [1e-5, 1e-1]}},
        },
    )  # fmt: skip
    sizes = []

    def hear(event):
        if event["event"] == "end":
            status = Path("/proc/self/status").read_text()
            sizes.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)

    found = tune(wanted, corpus, tmp_path / "search", hear, trial=fake_trial)
    assert len(found.rows) == 200 and found.best.perplexity < 2.6
    early, late = max(sizes[20:60]), max(sizes[-40:])
    print(f"driver: {early:.0f} MB after 60 trials, {late:.0f} MB after 200")
    assert late < early * 1.05


def told_trial(proposal, payload):
    """Trains as a trial does; says which process it is."""
    folder = Path(proposal["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pids").open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    run_trial(proposal, payload)


@pytest.mark.soak
def test_lost_processes_of_a_trial_cost_nothing(search, corpus, tmp_path, ray_cluster):
    """Of two equal trials one loses its Train worker, one its own process: equal results."""
    wanted = settings.replace(
        search,
        {"tune.searcher": "grid", "tune.space": {"optim.lr": {"choice": [1e-2] * 2}},
         "train.epochs": 3},
    )  # fmt: skip
    killed = {}

    def hear(event):
        home, number = tmp_path / "search/trials" / event["trial"], int(event["trial"])
        if event["event"] != "result" or number in killed:
            return
        starts = [e for e in journal.read(home / journal.JOURNAL) if e["event"] == "start"]
        killed[number] = starts[-1]["pid"] if number == 0 else int((home / "pids").read_text())
        os.kill(killed[number], signal.SIGKILL)

    found = tune(wanted, corpus, tmp_path / "search", hear, trial=told_trial)
    assert set(killed) == {0, 1}
    assert {row.status for row in found.rows} == {"finished"} and not found.failures
    one, other = (trial.scores for trial in read(tmp_path / "search"))
    assert [epochs for epochs, _ in one] == [1.0, 2.0, 3.0] and one == other
    assert len((tmp_path / "search/trials/0001/pids").read_text().split()) == 2


def odd_trial(proposal, payload):
    """By its learning rate: dies, breaks down, or does well."""
    from ray import tune as ray_tune

    lr = proposal["values"]["optim.lr"]
    if lr == 1e-5 and not (Path(proposal["folder"]) / "spared").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    for epoch in (1, 2):
        score = math.nan if lr == 1e-3 and epoch == 2 else 1 + lr
        ray_tune.report({"perplexity": score, "epoch": float(epoch), "step": epoch, "tokens": 9})


def test_failures_keep_their_reason_and_nan_is_never_best(search, corpus, tmp_path, ray_cluster):
    wanted = settings.replace(
        search,
        {"tune.searcher": "grid", "tune.space": {"optim.lr": {"choice": [1e-5, 1e-3, 1e-2]}},
         "train.epochs": 2, "workers.max_failures": 0},
    )  # fmt: skip
    folder = tmp_path / "search"
    found = tune(wanted, corpus, folder, lambda event: None, trial=odd_trial)
    assert [(row.trial, row.status) for row in found.rows] == [
        ("0002", "finished"), ("0001", "diverged"), ("0000", "failed"),
    ]  # fmt: skip
    assert "died" in found.rows[2].error and "nan at epoch 2" in found.rows[1].error
    assert found.failures.startswith("1 trial failed: The actor died unexpectedly")
    with (folder / table.TABLE).open() as stream:
        assert next(csv.DictReader(stream))["error"] == ""
    (folder / "trials/0000/spared").touch()
    again = tune(wanted, corpus, folder, lambda event: None, trial=odd_trial)
    assert again.best.trial == "0000" and not again.failures


def test_an_error_of_ours_is_told_and_not_tried_again(search, corpus, tmp_path, ray_cluster):
    """The tiny model reads 256 tokens at most."""
    wanted = settings.replace(
        search,
        {"tune.searcher": "grid", "tune.space": {"train.block_size": {"choice": [512, 128]}},
         "train.epochs": 1, "workers.max_failures": 0},
    )  # fmt: skip
    found = tune(wanted, corpus, tmp_path / "search", lambda event: None, trial=told_trial)
    assert [row.trial for row in found.rows] == ["0001", "0000"]
    assert found.rows[1].error.startswith("train.block_size: got 512; ")
    assert len((tmp_path / "search/trials/0000/pids").read_text().split()) == 1


def test_a_second_search_of_the_same_name_is_refused(search, corpus, tmp_path):
    with locked(tmp_path), pytest.raises(ConfigError, match="under way in another process"):
        tune(search, corpus, tmp_path, lambda event: None)


def test_without_a_perplexity_there_is_no_best():
    rows = [
        table.Row("a", {}, math.nan, 1, 1, 1, 1.0, "failed", ""),
    ]
    with pytest.raises(TuneError, match="no trial reached"):
        _ = table.TuneResult(Path("x"), rows).best


def test_concurrency_by_hand(search):
    has = [{"CPU": 4.0, "GPU": 0.0}]
    assert concurrency(search, has) == 3  # of 3 trials
    assert concurrency(settings.replace(search, {"workers.count": 2}), has) == 2
    with pytest.raises(ResourceError, match="2 fit"):
        concurrency(settings.replace(search, {"workers.count": 2, "tune.concurrent": 3}), has)
    with pytest.raises(ResourceError, match=r"lower workers.count"):
        concurrency(settings.replace(search, {"workers.count": 5}), has)
    nodes = [{"CPU": 2.0, "GPU": 0.0}, {"CPU": 2.0, "GPU": 0.0}]
    assert concurrency(settings.replace(search, {"workers.count": 3}), nodes) == 1
    assert concurrency(settings.replace(search, {"workers.cpus": 1.5}), nodes) == 2
    with pytest.raises(ResourceError, match="its largest node 2: 0 fit"):
        concurrency(settings.replace(search, {"workers.cpus": 4.0}), nodes)


def test_a_search_without_validation_is_refused(search, tmp_path):
    from calcgen_ray.corpus import store

    store.write(tmp_path, [], {"by_split": {"train": 3}})
    with pytest.raises(DataError, match="valid_fraction"):
        tune(search, tmp_path, tmp_path / "search", lambda event: None)
