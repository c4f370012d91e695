"""Stand-ins for the parts of IPython that a notebook's cells import, where it is not installed.

`display` prints a readable form: the source of Math, Latex, Markdown and HTML, else `repr`.
`get_ipython()` gives a shell whose magics and settings do nothing; outside a notebook job it
gives None, as IPython's own does in a plain interpreter.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

SHOWN_AS_SOURCE = ("HTML", "JSON", "Javascript", "Latex", "Markdown", "Math", "Pretty", "SVG")
SHOWN_BY_NAME = ("Audio", "IFrame", "Image", "Video", "YouTubeVideo")


class Shown:
    """An object to display, with its source in `data`."""

    def __init__(self, data: object = None, *_args: object, **options: object) -> None:
        self.data = data if data is not None else options.get("filename") or options.get("url")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object>"


class Source(Shown):
    """One whose source can be read by itself."""


class DisplayHandle:
    """What `display(..., display_id=True)` returns."""

    display_id = "0"

    def display(self, *objects: object, **_options: object) -> None:
        display(*objects)

    update = display


class Shell:
    """A shell that takes every call (`run_line_magic`, `Completer.use_jedi`) and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Shell()

    def __call__(self, *_args: object, **_options: object) -> None:
        return None


def display(*objects: object, display_id: object = None, **_options: object) -> Any:
    """Prints each object on lines of its own."""
    for item in objects:
        print(item.data if isinstance(item, Source) else repr(item))
    return DisplayHandle() if display_id else None


def nothing(*_args: object, **_options: object) -> None:
    """For functions that only change how a notebook looks."""


def install() -> None:
    """Adds stand-ins to this process for whichever of the two packages is missing."""
    if find_spec("IPython") is None:
        _install_ipython()
    else:
        import_module("IPython.display")
    if find_spec("matplotlib_inline") is None:
        backend = _module("matplotlib_inline.backend_inline", set_matplotlib_formats=nothing)
        backend.set_matplotlib_close = nothing  # type: ignore[attr-defined]
        _module("matplotlib_inline", backend_inline=backend)


def names() -> dict[str, object]:
    """What a notebook has without importing it; from here on `get_ipython` gives a shell."""
    ipython = sys.modules.get("IPython")
    if ipython is None or not isinstance(ipython.__dict__.get("_shell"), Shell):
        return {"display": import_module("IPython.display").display, "get_ipython": Shell}
    ipython.get_ipython = lambda: ipython._shell  # type: ignore[attr-defined]
    return {"display": display, "get_ipython": ipython.get_ipython}


def _install_ipython() -> None:
    kinds: dict[str, object] = {name: type(name, (Source,), {}) for name in SHOWN_AS_SOURCE}
    kinds |= {name: type(name, (Shown,), {}) for name in SHOWN_BY_NAME}
    kinds |= {f"display_{name.lower()}": display for name in SHOWN_AS_SOURCE}
    kinds |= {"display": display, "clear_output": nothing, "DisplayHandle": DisplayHandle}
    kinds |= {"set_matplotlib_formats": nothing, "set_matplotlib_close": nothing}
    shown = _module("IPython.display", **kinds)
    core = _module("IPython.core", display=_module("IPython.core.display", **kinds))
    _module(
        "IPython",
        display=shown,
        core=core,
        get_ipython=nothing,
        version_info=(8, 24, 0),
        __version__="8.24.0",
        _shell=Shell(),
    )


def _module(name: str, **members: object) -> ModuleType:
    module = ModuleType(name, "Stand-in of calcgen_ray.judge.notebook.")
    module.__spec__ = ModuleSpec(name, None)
    module.__dict__.update(members)
    sys.modules[name] = module
    return module
