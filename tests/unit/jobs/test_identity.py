"""Submission ids: equal work, equal id; what may run again gets a number."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcgen_ray import settings
from calcgen_ray.errors import ConfigError
from calcgen_ray.jobs import expect, identity, work
from calcgen_ray.jobs.identity import Attempt, attempt

BASE = "train-demo-0123abcd"
STATUSES = ("PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED")
LR = settings.load("embedded").optim.lr


def test_the_id_depends_on_configuration_verb_and_data_alone():
    def ident(verb="train", data="d", *words):
        return identity.submission_id(work.make(verb, ["embedded", *words]), data)

    assert ident() == ident("train", "d", f"optim.lr={LR}") == ident("train", "d")
    others = {ident("train", "d", "optim.lr=1e-3"), ident("pretrain"), ident("train", "e")}
    assert len({*others, ident()}) == 4
    assert re.fullmatch(r"train-mine-[0-9a-f]{8}", ident("train", "d", "run.name=mine"))


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ({}, Attempt(BASE, False)),
        ({"train-other-0123abcd": "RUNNING", BASE + "-x": "RUNNING"}, Attempt(BASE, False)),
        ({BASE: "RUNNING"}, Attempt(BASE, True)),
        ({BASE: "SUCCEEDED"}, Attempt(BASE, True)),
        ({BASE: "FAILED"}, Attempt(BASE + "-2", False)),
        ({BASE: "FAILED", BASE + "-2": "PENDING"}, Attempt(BASE + "-2", True)),
        ({BASE + "-9": "FAILED", BASE + "-10": "STOPPED"}, Attempt(BASE + "-11", False)),
        ({BASE + "-1": "RUNNING", BASE + "-02": "RUNNING"}, Attempt(BASE, False)),
    ],
)
def test_which_attempt(known, wanted):
    assert attempt(BASE, known) == wanted


@given(st.lists(st.sampled_from(STATUSES), max_size=12))
def test_asking_and_starting_never_takes_an_id_twice(ends):
    """However earlier attempts ended, a new id is free, and one that is there is not over badly."""
    known = {}
    for status in ends:
        found = attempt(BASE, known)
        if found.there:
            assert known[found.ident] not in identity.ENDED_BADLY
        else:
            assert found.ident not in known
        known[found.ident] = status
    assert len(known) <= 1 + sum(status in identity.ENDED_BADLY for status in ends)


def test_the_command_of_a_job():
    train = work.make("train", ["embedded", "run.name=a"])
    assert train.entrypoint(None) == "python -m calcgen_ray train calcgen-job.yaml --json"
    assert train.entrypoint("0.1.0").startswith("python -m calcgen_ray.jobs.expect 0.1.0 && ")
    assert " --once " in work.make("run", []).entrypoint(None)
    asked = work.make("eval", ["embedded", "my run", "evaluate.problems=5"], "book")
    assert asked.targets == ("embedded", "my run") and asked.config.evaluate.problems == 5
    assert asked.entrypoint(None).endswith(
        " eval embedded 'my run' --config calcgen-job.yaml --storage runs --json"
    )


def test_the_run_keeps_the_name_that_it_has_here():
    asked = work.make("train", ["embedded"])
    moved = asked.changed({"corpus.folders": ["/elsewhere"]}, ())
    assert moved.config.run_name == asked.config.run_name and "embedded-" in asked.config.run_name


@pytest.mark.parametrize(
    ("verb", "words", "said"),
    [
        ("serve", [], "allowed: train, tune"),
        ("train", ["embedded", "book"], "'book' is one configuration too many"),
        ("train", ["embeded"], "did you mean 'embedded'"),
        ("train", ["optim.lr=fast"], "optim.lr: got 'fast'"),
        ("eval", ["evaluate.problems=5"], "no checkpoint named"),
    ],
)
def test_bad_work(verb, words, said):
    with pytest.raises(ConfigError, match=said):
        work.make(verb, words)


def test_another_version_of_this_package_is_refused_on_the_cluster(capsys):
    from calcgen_ray import __version__

    assert expect.main([__version__]) == 0 and capsys.readouterr().err == ""
    assert expect.main(["9.9.9"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: calcgen-ray") and "9.9.9" in said and said.count("\n") == 1
