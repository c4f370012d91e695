"""A search as it looks on a terminal."""

import io
import sys

import pytest
from rich.console import Console

from calcgen_ray.cli import views
from calcgen_ray.cli.screen import Screen
from calcgen_ray.cli.search import SearchView
from calcgen_ray.train import journal


@pytest.fixture
def screen():
    made = Screen()
    made.console = Console(file=io.StringIO(), force_terminal=True, width=100)
    return made


def event(trial, state="running", epochs=0, perplexity=float("nan")):
    return {
        "event": "end" if state != "running" else "start", "trial": trial, "resumed": False,
        "values": {"optim.lr": 1e-4, "train.epochs": 2}, "epochs": epochs, "error": "",
        "perplexity": perplexity, "state": state, "over": int(state != "running"),
    }  # fmt: skip


def stepped(folder, trial, step):
    home = folder / "trials" / trial
    home.mkdir(parents=True, exist_ok=True)
    journal.append(home / journal.JOURNAL, {"event": "step", "step": step})


def lines(view):
    console = Console(file=io.StringIO(), width=100)
    console.print(view.table())
    return [" ".join(line.replace("│", "").split()) for line in console.file.getvalue().split("\n")]


def test_the_table_follows_each_trial(screen, tmp_path):
    view = SearchView(screen, 4, tmp_path)
    with screen.live(view.table):
        view(event("0000"))
        view(event("0001"))
        stepped(tmp_path, "0000", 7)
        stepped(tmp_path, "0000", 8)
        assert "0000 0.0001 2 0 8 running" in lines(view)
        assert "0001 0.0001 2 0 running" in lines(view)
        stepped(tmp_path, "0000", 9)
        assert "0000 0.0001 2 0 9 running" in lines(view)
        view(event("0000", "finished", 2, 3.25))
        assert "0000 0.0001 2 2 9 3.250 finished" in lines(view)
    assert "1 of 4 trials are over" in lines(view)
    assert [line.count("epochs") for line in lines(view) if "trial " in line] == [1]


def test_what_ray_prints_is_not_mixed_into_it(screen, tmp_path, capsys):
    view = SearchView(screen, 4, tmp_path)
    with screen.live(view.table):
        print("View detailed results here")
        print("WARNING: 8 PYTHON worker processes", file=sys.stderr)
    with screen.progress():
        print("To visualize your results")
        screen.advance("cells", 1, 2)
    shown = screen.console.file.getvalue()
    assert "trials are over" in shown and "cells" in shown
    assert not any(word in shown for word in ("View", "WARNING", "visualize"))
    told = capsys.readouterr()
    assert "View" in told.out and "visualize" in told.out and "WARNING" in told.err


def test_the_trials_of_a_search_fit_eighty_columns(tmp_path):
    screen = Screen()
    screen.console = Console(file=io.StringIO(), width=80)
    row = {
        "trial": "0017", "optim.lr": 0.0005699, "train.epochs": 2, "perplexity": 5.4671,
        "done": 2.0, "steps": 22, "tokens": 1_083_276, "seconds": 122.4, "status": "finished",
        "checkpoint": "runs/smoke/trials/0017/checkpoints/step-00000022", "error": "",
    }  # fmt: skip
    views.show_trials(screen, [row] * 25, tmp_path / "results.csv")
    told = screen.console.file.getvalue()
    assert "│ 0017  │ 0.0005699 │      2 │" in told and "│ finished │" in told
    assert "…" not in told and "(5 more trials)" in told
