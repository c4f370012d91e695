"""Plots of a run, and the smoothing in them."""

import pytest

from calcgen_ray.report.plots import plot_run, smooth
from calcgen_ray.train import journal


def test_smoothing_by_hand():
    """weight 0.5: (1), (0.25*1 + 0.5*3)/0.75, ..."""
    assert smooth([1.0, 3.0], 0.5) == pytest.approx([1.0, 1.75 / 0.75])
    assert smooth([2.0, 5.0], 0.0) == [2.0, 5.0]


def test_plots_are_drawn(tmp_path):
    path = tmp_path / journal.JOURNAL
    assert plot_run(tmp_path) == []
    journal.append(path, {"event": "eval", "step": 0, "perplexity": 90.0, "valid_loss": 4.5})
    for step in range(1, 30):
        journal.append(path, {"event": "step", "step": step, "loss": 4 / step, "lr": 1e-3})
    journal.append(path, {"event": "eval", "step": 29, "perplexity": 3.0, "valid_loss": 1.1})
    drawn = plot_run(tmp_path)
    assert [p.name for p in drawn] == ["loss.png", "perplexity.png"]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in drawn)


def test_journal_is_read_as_it_grows(tmp_path):
    path = tmp_path / journal.JOURNAL
    assert journal.read_from(path, 0) == ([], 0)
    journal.append(path, {"event": "step", "step": 1})
    with path.open("a") as stream:
        stream.write('{"event": "st')
    entries, place = journal.read_from(path, 0)
    assert [e["step"] for e in entries] == [1]
    with path.open("a") as stream:
        stream.write('ep", "step": 2}\n')
    assert [e["step"] for e in journal.read_from(path, place)[0]] == [2]
    journal.rewind(path, 1)
    assert [e["step"] for e in journal.read(path)] == [1]
    assert journal.read_from(path, 10_000)[0] == []
