"""Code cells of .ipynb files of any nbformat; outputs are never looked at."""

from __future__ import annotations

import json
import warnings
from typing import Any

from calcgen_ray.errors import DataError


def read_cells(data: bytes) -> list[str]:
    """Sources of a notebook's code cells, in order.

    Raises:
        DataError: its message is the reason, in a few words that are counted.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("encoding: not UTF-8") from None
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise DataError("unreadable notebook") from None
    if not isinstance(notebook, dict):
        raise DataError("unreadable notebook")
    _refuse_other_languages(notebook)
    return [_text(cell.get("source", "")) for cell in _upgraded(notebook) if _is_code(cell)]


def _refuse_other_languages(notebook: dict[str, Any]) -> None:
    metadata = notebook.get("metadata")
    if not isinstance(metadata, dict):
        return
    for key, field in (("kernelspec", "language"), ("language_info", "name")):
        part = metadata.get(key)
        language = str(part.get(field, "")).lower() if isinstance(part, dict) else ""
        if language and not language.startswith(("python", "ipython")):
            raise DataError("not a Python kernel")


def _upgraded(notebook: dict[str, Any]) -> list[Any]:
    """The cells in nbformat 4's shape. Outputs go first: they may be hundreds of megabytes."""
    import nbformat

    sheets = notebook.get("worksheets")
    groups = [s.get("cells", []) for s in sheets if isinstance(s, dict)] if sheets else []
    for cells in [*groups, notebook.get("cells", [])]:
        for cell in cells if isinstance(cells, list) else []:
            if isinstance(cell, dict) and "outputs" in cell:
                cell["outputs"] = []
    if not sheets:
        cells = notebook.get("cells", [])
        return [c for c in cells if isinstance(c, dict)] if isinstance(cells, list) else []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converted = nbformat.convert(nbformat.from_dict(notebook), 4)
        return list(converted["cells"])
    except Exception:
        raise DataError("unreadable notebook") from None


def _is_code(cell: dict[str, Any]) -> bool:
    return cell.get("cell_type") == "code"


def _text(source: Any) -> str:
    """A cell's source stands as one string or as a list of lines."""
    if isinstance(source, list):
        return "".join(str(line) for line in source)
    return source if isinstance(source, str) else ""
