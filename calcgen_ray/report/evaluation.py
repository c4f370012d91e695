"""The report of an evaluation: tables side by side, plots, and samples good and bad."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calcgen_ray.evaluate.records import GREEDY, UNASKED, Record
from calcgen_ray.evaluate.subject import Subject
from calcgen_ray.problem import DIFFICULTIES, Status
from calcgen_ray.report.evaluation_plots import plot_depths, plot_families, plot_levels

Figures = Mapping[str, Any]

REPORT = "report.md"
SAMPLES = 10
NONE = "-"


def write_report(folder: Path, found: Sequence[tuple[Subject, Figures]]) -> Path:
    """Writes report.md and summary.json into a folder of these checkpoints' own.

    Plots of right answers too, where anything was asked that has one.
    """
    names = " ".join(subject.home.name for subject, _ in found)
    home = folder / f"report-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
    home.mkdir(parents=True, exist_ok=True)
    checkpoints = [figures for _, figures in found]
    by_family = (plot_families,) if families(checkpoints) else ()
    draw = (*by_family, plot_levels, plot_depths) if has_answers(checkpoints) else ()
    plots = [plot(home, checkpoints) for plot in draw]
    subject, _ = found[-1]
    text = "\n".join([*_head(checkpoints), *_pictures(plots), *_samples(subject)])
    (home / REPORT).write_text(text + "\n", "utf-8")
    (home / "summary.json").write_text(json.dumps(checkpoints, indent=2) + "\n", "utf-8")
    return home / REPORT


def has_answers(checkpoints: Sequence[Figures]) -> bool:
    """Whether answers were asked for: the rest of a held-out cell is neither right nor wrong."""
    return all(figures["benchmark"] != "held_out" for figures in checkpoints)


def side_by_side(checkpoints: Sequence[Figures]) -> list[dict[str, str]]:
    """A row a measure, a column a checkpoint. R stands beside correctness, never alone.

    What was not asked has no row: other groups' answers, pass@k where nothing was sampled.
    """
    rows: list[dict[str, str]] = []
    answers = has_answers(checkpoints)
    sampled = any(figures["samples"] for figures in checkpoints)
    sources = dict.fromkeys(s for c in checkpoints for s in c.get("perplexity_by_source", {}))
    by_source = [(f"  of {s} cells", ("perplexity_by_source", s), False) for s in sources]
    for label, path, percent in (MEASURES[0], *by_source, *MEASURES[1:]):
        shown = [_shown(figures, path, percent) for figures in checkpoints]
        if path in ANSWERS and not answers:
            continue
        optional = path[0] == "correct" or (path in SAMPLED and not sampled)
        if not optional or set(shown) != {NONE}:
            rows.append(
                {"measure": label, **dict(zip(column_names(checkpoints), shown, strict=True))}
            )
    return rows


MEASURES = (
    ("perplexity, held-out cells", ("perplexity",), False),
    ("correct, all", ("correct", "all"), True),
    ("  easy", ("correct", "easy"), True),
    ("  medium", ("correct", "medium"), True),
    ("  hard", ("correct", "hard"), True),
    ("  unseen wording", ("correct", "unseen_wording"), True),
    ("  SymPy's docstrings", ("correct", "docstring"), True),
    ("  unseen compositions", ("correct", "composition"), True),
    ("  deeper than trained", ("correct", "deeper"), True),
    ("R, runs to its end", ("R",), True),
    ("pass@1, sampled", ("pass_at_1",), True),
    ("pass@10, sampled", ("pass_at_10",), True),
    ("unknown", ("unknown",), True),
    ("S, AST similarity", ("S",), False),
    ("precision of S", ("precision",), False),
    ("F1 of S", ("F1",), False),
    ("diversity r", ("diversity",), False),
    ("copied from training", ("copied",), True),
    ("problems", ("problems",), False),
    ("samples a problem", ("samples",), False),
    ("sandbox faults", ("sandbox_faults",), False),
    ("isolation", ("isolation",), False),
)
SAMPLED = (("pass_at_1",), ("pass_at_10",))
ANSWERS = (*SAMPLED, ("unknown",))
INTERVALS = {("correct", "all"): "correct", ("pass_at_1",): "pass_at_1",
             ("pass_at_10",): "pass_at_10"}  # fmt: skip


def families(checkpoints: Sequence[Figures]) -> list[dict[str, str]]:
    """A row a family: per cent right over all, easy, medium and hard, of each checkpoint.

    No rows where nothing was asked in the families' own wordings, as beyond training.
    """
    names = dict.fromkeys(f for c in checkpoints for f in c["correct"]["by_family"])
    rows = []
    for family in names:
        row = {"family": family}
        for name, figures in zip(column_names(checkpoints), checkpoints, strict=True):
            levels = figures["correct"]["by_family_and_difficulty"].get(family, {})
            parts = [_short(levels.get(level)) for level in DIFFICULTIES]
            row[name] = f"{_short(figures['correct']['by_family'].get(family))}, {'/'.join(parts)}"
        rows.append(row)
    return rows


def column_names(checkpoints: Sequence[Figures]) -> list[str]:
    """The checkpoints' names, told apart where one is measured twice."""
    names: list[str] = []
    for figures in checkpoints:
        name = str(figures["checkpoint"])
        names.append(name if name not in names else f"{name} ({names.count(name) + 1})")
    return names


def markdown(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Rows as a Markdown table; the columns are the first row's keys."""
    if not rows:
        return []
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([*row.values()] for row in rows)]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def pick_samples(records: Sequence[Record], count: int = SAMPLES) -> list[Record]:
    """Greedy completions, half of them good and half bad where there are so many.

    Good is what is right, or what ran where no answer was asked for. Each half goes round the
    families, so that no family fills it.
    """
    greedy = [r for r in records if r.sample == GREEDY]
    good = _round_families([r for r in greedy if _good(r)])
    bad = _round_families([r for r in greedy if not _good(r)])
    wrong = min(len(bad), max(count // 2, count - len(good)))
    return good[: count - wrong] + bad[:wrong]


def _round_families(records: Sequence[Record]) -> list[Record]:
    place: dict[str, int] = {}
    turns = []
    for record in records:
        turns.append(place.get(record.family, 0))
        place[record.family] = turns[-1] + 1
    return [record for _, record in sorted(zip(turns, records, strict=True), key=lambda p: p[0])]


def _good(record: Record) -> bool:
    return record.correct or (record.verdict == UNASKED and record.outcome == Status.RAN)


ASKED = (
    "Each problem of the benchmark is put as a comment; the completion is run in a sandbox",
    "and its result compared with the expected one by mathematics. Greedy completions, except",
    "for pass@k. Brackets hold 95 % bootstrap intervals over problems.",
    "R counts what runs, right or wrong: read it beside correctness.",
)
CONTINUED = (
    "Each checkpoint goes on from the first third of each held-out cell; the whole is run in a",
    "sandbox, and what was written compared with the rest of the cell by syntax trees. Greedy",
    "completions, except for what is copied. R counts what runs: read it beside S.",
)


def _head(checkpoints: Sequence[Figures]) -> list[str]:
    text, tail = (ASKED, _by_family(checkpoints)) if has_answers(checkpoints) else (CONTINUED, [])
    return ["# Evaluation", "", *text, "", *markdown(side_by_side(checkpoints)), "", *tail]


def _by_family(checkpoints: Sequence[Figures]) -> list[str]:
    rows = families(checkpoints)
    if not rows:
        return []
    return [
        "## Right answers by family",
        "",
        "In per cent, over all problems of the family, and over its easy/medium/hard ones.",
        "",
        *markdown(rows),
        "",
    ]


def _pictures(plots: Sequence[Path]) -> list[str]:
    lines = []
    for plot in plots:
        lines += [f"![{plot.stem.replace('_', ' ')}]({plot.name})", ""]
    return lines


def _samples(subject: Subject) -> list[str]:
    lines = [f"## Samples of {subject.name}", ""]
    for record in pick_samples(subject.records()):
        lines += [f"**{record.problem}**, {_word(record)}", "", "```python"]
        lines += [(record.prompt + record.code).replace("```", "'''").rstrip(), "```", ""]
    return lines


def _word(record: Record) -> str:
    if record.verdict == UNASKED:
        return "ran" if _good(record) else record.error or record.outcome
    return "right" if record.correct else f"wrong: {record.reason or record.verdict}"


def _shown(figures: Figures, path: Sequence[str], percent: bool) -> str:
    value: Any = figures
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    interval = figures["intervals"].get(INTERVALS.get(tuple(path), ""))
    if not percent:
        return (
            NONE if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)
        )
    span = f" [{_percent(interval[0])}, {_percent(interval[1])}]" if interval else ""
    return f"{_percent(value)} %{span}" if value is not None else NONE


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f}"


def _short(value: float | None) -> str:
    return _percent(value).removesuffix(".0")
