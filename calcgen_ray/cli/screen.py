"""The terminal: what the user sees, and a file for everything that Ray says."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

PLAIN_SECONDS = 10.0
"""Where there is no terminal: a line of progress at most this often."""
WORD = 10
"""A column whose values are this short is not broken, however narrow the terminal is."""
NAME = 26
"""Nor is the first, which names its rows, where its values are this short."""
TO_THE_LOG: dict[str, Any] = {"redirect_stdout": False, "redirect_stderr": False}
"""What Ray prints beside something live goes where `quiet` sends it, not above the live part."""


class Screen:
    """Prints to where standard output pointed at the start, whatever is redirected later."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._tasks: dict[str, Any] = {}
        self._last, self._live = 0.0, False

    def say(self, text: str = "") -> None:
        """One line of plain text."""
        self.console.print(text, markup=False)

    @property
    def interactive(self) -> bool:
        """Whether somebody types."""
        return sys.stdin.isatty() and self.console.is_terminal

    def write(self, text: str) -> None:
        """Text as it is, at once."""
        self.console.file.write(text)
        self.console.file.flush()

    def stream(self, pieces: Iterable[str]) -> None:
        """Pieces of text as they come, then an empty line."""
        last = ""
        for piece in pieces:
            self.write(piece)
            last = piece or last
        self.write("\n" if last.endswith("\n") else "\n\n")

    def fail(self, text: str) -> None:
        """The one line of an error, on standard error."""
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {text}", markup=False)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows as a table; the columns are the first row's keys."""
        drawn = Table(title=title, title_justify="left", header_style="bold")
        for place, (key, value) in enumerate((rows[0] if rows else {}).items()):
            right = isinstance(value, int | float) and not isinstance(value, bool)
            short = all(len(text_of(row[key])) <= (WORD if place else NAME) for row in rows)
            drawn.add_column(key, justify="right" if right else "left", no_wrap=right or short)
        for row in rows:
            drawn.add_row(*(text_of(value) for value in row.values()))
        self.console.print(drawn)

    def facts(self, title: str, facts: Mapping[str, Any]) -> None:
        """Names and values, one a line."""
        drawn = Table(title=title, title_justify="left", show_header=False)
        for key, value in facts.items():
            drawn.add_row(key, text_of(value))
        self.console.print(drawn)

    def json(self, value: Any) -> None:
        """One JSON object on one line, the last that a command prints."""
        self.say(json.dumps(value, ensure_ascii=False, default=str))

    @contextmanager
    def quiet(self, log: Path) -> Iterator[None]:
        """Sends this process's and its children's output to `log`; this screen stays visible.

        Ray's processes write to the descriptors that they inherit, so descriptors are exchanged.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        saved = os.dup(1), os.dup(2)
        outer = self.console
        with log.open("ab") as sink, os.fdopen(os.dup(1), "w", encoding="utf-8") as stream:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            self.console = Console(file=stream, highlight=False, soft_wrap=True)
            try:
                yield
            finally:
                self.console = outer
                sys.stdout.flush()
                sys.stderr.flush()
                os.dup2(saved[0], 1)
                os.dup2(saved[1], 2)
                os.close(saved[0])
                os.close(saved[1])

    @contextmanager
    def progress(self) -> Iterator[None]:
        """Shows bars for `advance` on a terminal, plain lines elsewhere."""
        if not self.console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                   TimeElapsedColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip
        with Progress(*columns, console=self.console, transient=True, **TO_THE_LOG) as progress:
            self._progress = progress
            try:
                yield
            finally:
                self._progress, self._tasks = None, {}

    @property
    def is_live(self) -> bool:
        """Whether a live table is on the screen."""
        return self._live

    @contextmanager
    def live(self, table: Callable[[], Any]) -> Iterator[None]:
        """Shows what `table` gives, anew twice a second; nothing where there is no terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(
            get_renderable=table, console=self.console, refresh_per_second=2, transient=True,
            **TO_THE_LOG,
        ):  # fmt: skip
            self._live = True
            try:
                yield
            finally:
                self._live = False

    def advance(
        self, stage: str, done: int, total: int, note: str = "", *, plain: bool = True
    ) -> None:
        """Says that `done` of `total` is done; off a terminal only where `plain` is set."""
        if self._progress is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._progress.add_task(stage, note="")
            task = self._tasks[stage]
            self._progress.update(task, completed=done, total=total, note=note)
        elif plain and (done == total or time.monotonic() - self._last > PLAIN_SECONDS):
            self._last = time.monotonic()
            self.say(f"  {stage} {done}/{total} {note}".rstrip())


def text_of(value: Any) -> str:
    """A value for reading: four significant digits, thousands apart."""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text_of(inner)}" for key, inner in value.items())
    return str(value)
