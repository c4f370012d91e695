"""Figures from records, by hand; the Parquet file; the report."""

from __future__ import annotations

import io
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from calcgen_ray.cli.screen import Screen
from calcgen_ray.cli.views import show_evaluation
from calcgen_ray.errors import DataError
from calcgen_ray.evaluate import records
from calcgen_ray.evaluate.records import Record
from calcgen_ray.evaluate.subject import Subject
from calcgen_ray.evaluate.summary import summarise
from calcgen_ray.report.evaluation import families, pick_samples, side_by_side, write_report

RECORD = Record(
    problem="calcbench/limits/easy/00", group="generated", family="limits", difficulty="easy",
    sample=0, prompt="# Find it.\n", code="result = 1\n", finish_reason="stop", tokens=4,
    outcome="ran", error="", line=0, verdict="equal", reason="", correct=True, s=1.0,
    precision=1.0, f1=1.0, copied_tokens=3, copied=False, seconds=0.1,
)  # fmt: skip


def record(problem: str, sample: int = 0, **fields: object) -> Record:
    return replace(RECORD, problem=problem, sample=sample, **fields)


def wrong(problem: str, sample: int = 0, **fields: object) -> Record:
    given = {"verdict": "different", "correct": False, "reason": "1 against 2", **fields}
    return record(problem, sample, **given)


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def figures(found: list[Record]) -> dict:
    return {"checkpoint": "c", "benchmark": "calcbench", "perplexity": 2.5, "isolation": "basic",
            **summarise(found, letters)}  # fmt: skip


def test_the_greedy_completions_decide_r_and_correctness() -> None:
    found = figures([
        record("a", code="ab"),
        wrong("b", code="aa", s=0.5, difficulty="hard"),
        wrong("c", code="b", outcome="failed", s=0.0, family="odes"),
        record("d", code="bc", group="wording", family="odes"),
        record("e", sample=1), wrong("e", sample=2, outcome="failed"),
    ])  # fmt: skip
    assert found["R"] == 3 / 4
    assert found["S"] == (1 + 0.5 + 0 + 1) / 4
    assert found["diversity"] == 3 / 7  # a, b, c of ab aa b bc
    correct = found["correct"]
    assert correct["all"] == 2 / 4
    assert (correct["easy"], correct["medium"], correct["hard"]) == (1 / 2, None, 0)
    assert correct["unseen_wording"] == 1 and correct["docstring"] is None
    assert correct["by_family"] == {"limits": 1 / 2, "odes": 0}
    assert correct["by_family_and_difficulty"]["limits"] == {"easy": 1, "medium": None, "hard": 0}


def test_right_answers_by_depth_and_beyond_what_is_trained() -> None:
    found = [record("a"), wrong("b"), record("b", 1), record("c", group="composition"),
             wrong("d", group="deeper")]  # fmt: skip
    depths = {"a": 3, "b": 3, "c": 10}
    correct = summarise(found, letters, depths)["correct"]
    assert correct["by_depth"] == {
        "3": {"correct": 1 / 2, "problems": 2}, "10": {"correct": 1, "problems": 1},
    }  # fmt: skip
    assert (correct["composition"], correct["deeper"]) == (1, 0)


def test_pass_at_k_is_over_the_samples_of_each_problem() -> None:
    found = figures([
        wrong("a"), *(record("a", k) for k in (1, 2)), *(wrong("a", k) for k in range(3, 11)),
        wrong("b"), *(wrong("b", k) for k in range(1, 11)),
        wrong("c"), record("c", 1),  # has no ten samples
    ])  # fmt: skip
    assert found["pass_at_1"] == pytest.approx((0.2 + 0 + 1) / 3)
    assert found["pass_at_10"] == pytest.approx((1 + 0) / 2)
    assert found["problems"] == 3 and found["samples"] == 10
    low, high = found["intervals"]["pass_at_1"]
    assert 0 <= low < found["pass_at_1"] < high <= 1


def test_without_samples_there_is_no_pass_at_k() -> None:
    found = figures([record("a"), wrong("b")])
    assert found["pass_at_1"] is None and found["intervals"]["pass_at_10"] is None
    assert found["samples"] == 0


def test_a_fault_of_the_sandbox_counts_for_nothing_and_is_counted() -> None:
    fault = {"outcome": "sandbox", "verdict": "unknown", "correct": False}
    found = figures([record("a"), record("b", **fault), record("a", 1, **fault), record("a", 2)])
    assert found["R"] == found["correct"]["all"] == found["pass_at_1"] == 1
    assert found["unknown"] == 0 and found["sandbox_faults"] == 2


def test_unknown_and_copied_are_shares_of_all_completions() -> None:
    unsure = {"verdict": "unknown", "correct": False}
    found = figures([record("a", copied=True), record("a", 1, **unsure), wrong("a", 2), wrong("b")])
    assert found["unknown"] == found["copied"] == 1 / 4


def test_where_the_sandbox_failed_throughout_answers_were_still_asked_for() -> None:
    lost = {"outcome": "sandbox", "verdict": "unknown", "correct": False}
    one = figures([record("a", **lost), record("a", 1, **lost)])
    named = {row["measure"].strip(): row["c"] for row in side_by_side([one])}
    assert named["sandbox faults"] == "2" and named["unknown"] == named["pass@1, sampled"] == "-"


def test_records_come_back_as_they_were(tmp_path) -> None:
    found = [record("a"), wrong("b", 1, code="é\n", seconds=0.25)]
    records.write(tmp_path / "r.parquet", found)
    assert records.read(tmp_path / "r.parquet") == found
    columns = pq.read_table(tmp_path / "r.parquet").column_names
    assert {"prompt", "code", "outcome", "verdict", "s", "seconds"} <= set(columns)


def test_files_that_hold_no_records_are_refused_in_one_line(tmp_path) -> None:
    bad = tmp_path / "bad.parquet"
    with pytest.raises(DataError, match="no such file; `calcgen eval`"):
        records.read(bad)
    bad.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="not Parquet") as caught:
        records.read(bad)
    assert "\n" not in str(caught.value)
    pq.write_table(pq.read_table(_written(tmp_path)).drop(["code"]), bad)
    with pytest.raises(DataError, match="another version"):
        records.read(bad)


def _written(folder):
    records.write(folder / "good.parquet", [RECORD])
    return folder / "good.parquet"


def test_the_samples_are_half_right_half_wrong_and_of_many_families() -> None:
    good = [record(f"g{i}", family=f"f{i % 3}") for i in range(9)]
    bad = [wrong(f"b{i}", family="f0" if i < 8 else "f1") for i in range(9)]
    picked = pick_samples(good + bad + [record("s", 1)])
    assert [r.correct for r in picked] == [True] * 5 + [False] * 5
    assert {r.family for r in picked[:5]} == {"f0", "f1", "f2"}
    assert {r.family for r in picked[5:]} == {"f0", "f1"}
    assert len(pick_samples(good)) == 9 and len(pick_samples(bad + good[:2])) == 10


def test_r_stands_beside_correctness() -> None:
    one = figures([record("a"), wrong("b")])
    rows = side_by_side([one, {**one, "perplexity": 1.25, "perplexity_by_source": {"drill": 2.0}}])
    assert list(rows[0]) == ["measure", "c", "c (2)"]
    assert rows[1] == {"measure": "  of drill cells", "c": "-", "c (2)": "2"}
    named = {row["measure"].strip(): row["c"] for row in rows}
    assert named["correct, all"].startswith("50.0 % [")
    assert named["R, runs to its end"] == "100.0 %"
    assert "hard" not in named and "pass@1, sampled" not in named  # nobody asked
    assert families([one]) == [{"family": "limits", "c": "50, 50/-/-"}]


def test_three_checkpoints_side_by_side_fit_eighty_columns() -> None:
    found = [record(str(i), family="definite_integrals") for i in range(40)]
    one = figures([*found, *(wrong(str(i), family="definite_integrals") for i in range(40, 43))])
    screen = Screen()
    screen.console = Console(file=io.StringIO(), width=80)
    show_evaluation(screen, [one, {**one, "checkpoint": "embedded"}, one])
    told = screen.console.file.getvalue()
    assert "│ perplexity, held-out cells │ 2.5" in told and "│   easy " in told
    assert "│ 93.0 %" in told and "│ [83.7, 100.0]" in told
    assert told.count("│ 93, 93/-/- ") == 3 and "│ definite_integrals │" in told
    assert "…" not in told


def test_the_report_shows_tables_plots_and_samples(tmp_path) -> None:
    found = [record("a"), wrong("b", code="```\nresult = 2\n", reason="1 against 2")]
    subject = Subject("mine", tmp_path, tmp_path / "mine-0")
    records.write(subject.part(0), found)
    one = {**figures(found), "checkpoint": "mine"}
    subject.finish(found, one)
    assert subject.summary() == one and subject.records() == found
    assert not list(subject.part(0).parent.iterdir())
    report = write_report(tmp_path, [(subject, one)])
    text = report.read_text()
    for wanted in ("| correct, all |", "| R, runs to its end |", "**b**, wrong: 1 against 2",
                   "**a**, right", "![correct by family](correct_by_family.png)"):  # fmt: skip
        assert wanted in text
    assert text.count("```") == 4
    for plot in ("correct_by_family.png", "correct_by_kind.png", "correct_by_depth.png"):
        assert (report.parent / plot).read_bytes().startswith(b"\x89PNG")


def test_a_report_beyond_training_has_no_families(tmp_path) -> None:
    """Families count problems in trained wordings; where none were asked they have no place."""
    found = [record("a", group="composition"), wrong("b", group="deeper")]
    subject = Subject("mine", tmp_path, tmp_path / "mine-0")
    records.write(subject.part(0), found)
    one = {**figures(found), "benchmark": "generalisation"}
    subject.finish(found, one)
    report = write_report(tmp_path, [(subject, one)])
    text = report.read_text()
    assert "|   unseen compositions | 100.0 % |" in text and "famil" not in text
    assert sorted(p.name for p in report.parent.glob("*.png")) == [
        "correct_by_depth.png", "correct_by_kind.png",
    ]  # fmt: skip


def test_a_report_on_held_out_cells_asks_for_no_answers(tmp_path) -> None:
    """Their rest is neither right nor wrong: no empty plots, no lines of right answers."""
    lost = {"outcome": "failed", "error": "NameError: g", "reason": "no variable"}
    unasked = {"verdict": records.UNASKED, "correct": False, "group": "held_out"}
    found = [record("a", **unasked), record("b", **unasked, **lost)]
    subject = Subject("mine", tmp_path, tmp_path / "mine-0")
    records.write(subject.part(0), found)
    one = {**figures(found), "benchmark": "held_out"}
    subject.finish(found, one)
    report = write_report(tmp_path, [(subject, one)])
    text = report.read_text()
    assert "| R, runs to its end | 50.0 % |" in text and "**b**, NameError: g" in text
    assert "**a**, ran" in text
    for unwanted in ("correct", "pass@", "unknown", "family", "wrong", "right or"):
        assert unwanted not in text
    assert sorted(p.name for p in report.parent.iterdir()) == ["report.md", "summary.json"]
