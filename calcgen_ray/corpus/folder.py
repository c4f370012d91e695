"""A user's folder of notebooks, scripts and Markdown."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from calcgen_ray.corpus.cell import Cell, Reading, Source
from calcgen_ray.corpus.documents import to_cells
from calcgen_ray.corpus.notebooks import read_cells
from calcgen_ray.corpus.scripts import read_markdown, read_script
from calcgen_ray.errors import DataError

SOURCES: dict[str, Source] = {".ipynb": "notebook", ".py": "script", ".md": "markdown"}
MAX_FILE_BYTES = 200 * 1024 * 1024
SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv"}

_LICENCES = (
    ("MIT", "Permission is hereby granted, free of charge"),
    ("Apache-2.0", "Apache License"),
    ("BSD", "Redistribution and use in source and binary forms"),
    ("CC-BY-NC-SA", "NonCommercial-ShareAlike"),
    ("CC-BY-SA", "Attribution-ShareAlike"),
    ("CC-BY", "Attribution"),
    ("GPL", "GNU GENERAL PUBLIC LICENSE"),
)


def read_folder(root: Path) -> Reading:
    """All cells below `root`, in the order of their paths.

    Raises:
        DataError: no such folder, or nothing in it that can be read.
    """
    paths = list(document_paths(root))
    counts: Counter[str] = Counter()
    cells: list[Cell] = []
    read = 0
    for path in paths:
        try:
            cells += _read(root, path, counts)
            read += 1
        except DataError as reason:
            counts[f"{SOURCES[path.suffix.lower()]}: {reason}"] += 1
        except OSError as error:
            counts[f"{SOURCES[path.suffix.lower()]}: unreadable: {error.strerror}"] += 1
    if not cells:
        raise DataError(f"{root}: no usable cell in {len(paths)} files; left out: {dict(counts)}")
    return Reading(cells, read, counts)


def folder_digest(root: Path) -> str:
    """Digest of the names and bytes of everything that `read_folder` would read.

    Raises:
        DataError: as `read_folder`.
    """
    digest = hashlib.sha256()
    for path in document_paths(root):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def document_paths(root: Path) -> Iterator[Path]:
    """Files that may hold cells, sorted; hidden folders and environments are passed over.

    Raises:
        DataError: no such folder, or no such file in it.
    """
    root = root.expanduser()
    if not root.exists():
        raise DataError(f"folder {str(root)!r} does not exist; clone it there or set its path")
    if not root.is_dir():
        raise DataError(f"{str(root)!r} is a file; name the folder that holds it")
    found = sorted(_walk(root))
    if not found:
        raise DataError(f"{str(root)!r} holds no {', '.join('*' + s for s in SOURCES)} file")
    yield from found


def _walk(root: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(root):  # links to folders are not followed: no loops
        inner[:] = [n for n in inner if not n.startswith(".") and n not in SKIPPED]
        for name in names:
            path = Path(folder, name)
            if path.suffix.lower() in SOURCES and not name.startswith(".") and path.is_file():
                yield path


def _read(root: Path, path: Path, counts: Counter[str]) -> list[Cell]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise DataError(f"huge: over {MAX_FILE_BYTES // 2**20} MiB")
    data, source = path.read_bytes(), SOURCES[path.suffix.lower()]
    if source == "notebook":
        raw = read_cells(data)
    elif source == "script":
        raw = read_script(data)
    else:
        raw = read_markdown(data, counts)
    document = path.relative_to(root).as_posix()
    return to_cells(source, document, raw, _licence(root, path), counts)


def _licence(root: Path, path: Path) -> str:
    """Named from the nearest LICENSE file between the document and the root."""
    for folder in [p for p in path.parents if p == root or root in p.parents]:
        for file in sorted(folder.glob("LICEN[CS]E*")) + sorted(folder.glob("COPYING*")):
            text = file.read_text("utf-8", errors="replace")
            return next((name for name, mark in _LICENCES if mark in text), "see LICENSE")
    return "unknown"
