"""What a child reports besides: a variable's tree, its text, LaTeX and MathML, open figures.

`collect` runs in the candidate's process, after the candidate: everything there may raise, hang or
lie. The server's deadline and bounds stand; the verdict is another process's. `attach` reads in
the client's process what came of it, and trusts none of it.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from calcgen_ray.judge.request import TREE_BYTES, Request
from calcgen_ray.judge.walk import encode
from calcgen_ray.problem import Outcome

FORM_CHARS = 20_000
FIGURES = 4
FIGURE_BYTES = 1 << 20
SIDE_INCHES = 12
DPI = 100
PNG = b"\x89PNG\r\n\x1a\n"


def collect(job: Request, namespace: dict[str, object]) -> Iterator[dict[str, Any]]:
    """One dictionary an item, the cheap ones first, so that a figure that hangs loses only itself.

    Keys are `result` (a tree), `forms` (texts) and `figure` (PNG in base64).
    """
    if job.result is not None and job.result in namespace:
        value = namespace[job.result]
        tree = encode(value)
        small = len(json.dumps(tree)) <= TREE_BYTES
        yield {"result": tree if small else {"other": "too large"}}
        if job.forms:
            yield {"forms": dict(forms(value))}
    if job.figures:
        yield from ({"figure": base64.b64encode(png).decode()} for png in figures())


def forms(value: object) -> Iterator[tuple[str, str]]:
    """The ways to write a value that work and are not too long, by name."""
    printing: Any = sys.modules.get("sympy.printing")
    writers: dict[str, Callable[[Any], object]] = {"text": str}
    if printing is not None:
        writers = {
            "text": printing.sstr,
            "latex": printing.latex,
            "mathml": lambda one: printing.mathml(one, printer="presentation"),
        }
    for name, write in writers.items():
        try:
            text = str(write(value))
        except Exception:
            continue
        if len(text) <= FORM_CHARS:
            yield name, text


def figures() -> Iterator[bytes]:
    """The first open figures as PNG, none wider or higher than `SIDE_INCHES`."""
    plt: Any = sys.modules.get("matplotlib.pyplot")
    for number in plt.get_fignums()[:FIGURES] if plt else []:
        try:
            figure = plt.figure(number)
            sides = [float(side) for side in figure.get_size_inches()]
            if (scale := SIDE_INCHES / max(sides)) < 1:  # not by dpi: no font is that small
                figure.set_size_inches(*[scale * side for side in sides])
            file = io.BytesIO()
            figure.savefig(file, format="png", dpi=DPI)
        except Exception:
            continue
        if file.tell() <= FIGURE_BYTES:
            yield file.getvalue()


def attach(outcomes: Sequence[Outcome], items: Iterable[str]) -> list[Outcome]:
    """The outcomes with what a child told, as JSON texts, in the last outcome of code that ran.

    What is not of the expected form is left out.
    """
    ran = [place for place, outcome in enumerate(outcomes) if outcome.ran]
    told = [pair for text in items for pair in _pairs(text)]
    changed = list(outcomes)
    if ran and told:
        forms = [v for k, v in told if k == "forms" and isinstance(v, dict)]
        changed[ran[-1]] = replace(
            changed[ran[-1]],
            result=next((v for k, v in told if k == "result"), None),
            forms={k: v for k, v in forms[0].items() if isinstance(v, str)} if forms else {},
            figures=tuple(_pngs(v for k, v in told if k == "figure")),
        )
    return changed


def _pairs(text: str) -> list[tuple[str, Any]]:
    with contextlib.suppress(ValueError, RecursionError):
        item = json.loads(text)
        return list(item.items()) if isinstance(item, dict) else []
    return []


def _pngs(texts: Iterable[object]) -> Iterator[bytes]:
    for text in islice(texts, FIGURES):
        with contextlib.suppress(ValueError):
            data = base64.b64decode(text if isinstance(text, str) else "", validate=True)
            if data.startswith(PNG):
                yield data
