"""What a job prints: its lines as they come, and the JSON object that it ends with."""

from __future__ import annotations

import json
from typing import Any


class Output:
    """Passes text on line by line, and keeps a line back while it may be the result."""

    def __init__(self) -> None:
        self.result: dict[str, Any] | None = None
        """The last JSON object that stood on a line."""
        self.last = ""
        """The last line that says something else."""
        self._open, self._kept = "", ""

    def feed(self, text: str) -> str:
        """What of `text` and of what was kept is to be shown now."""
        *lines, self._open = (self._open + text).split("\n")
        shown = ""
        for line in lines:
            shown, self._kept = shown + self._kept, ""
            found = parse(line)
            if found is None:
                shown += line + "\n"
                self.last = line.strip() or self.last
            else:
                self.result, self._kept = found, line + "\n"
        return shown

    def end(self) -> str:
        """What is left to be shown when nothing more comes; the result is not."""
        return self.feed("\n") if self._open else ""


def parse(line: str) -> dict[str, Any] | None:
    """The JSON object on a line, None where it is anything else."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def read(log: str) -> Output:
    """A whole log, read."""
    output = Output()
    output.feed(log)
    output.end()
    return output
