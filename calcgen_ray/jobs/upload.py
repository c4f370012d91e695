"""What is uploaded: the resolved configuration and the local folders that it names, as one zip."""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from calcgen_ray.errors import DataError, ResourceError
from calcgen_ray.jobs.ignored import Ignored
from calcgen_ray.jobs.paths import Named
from calcgen_ray.jobs.work import CONFIG

MIB = 2**20
LIMIT_BYTES = 99 * MIB
"""Ray 2.60's dashboard refuses bodies over 100 MiB; the last one is for the zip's own entries."""
OLDEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class File:
    """`name` is its path in the job's folder, `part` what of the configuration names it."""

    name: str
    path: Path
    size: int
    part: str


@dataclass(frozen=True, slots=True)
class Upload:
    """`hidden` says for each named folder how much of it .gitignore keeps here."""

    config: str
    files: tuple[File, ...]
    hidden: tuple[str, ...] = ()
    missing: str | None = None
    """Why the job could not run: a folder of which nothing is left."""

    @property
    def size(self) -> int:
        return len(self.config.encode()) + sum(file.size for file in self.files)

    def rows(self) -> list[tuple[str, int, int]]:
        """Name, number of files and bytes of each part, the configuration first."""
        sizes: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        for file in self.files:
            sizes[file.part] += file.size
            counts[file.part] += 1
        return [(CONFIG, 1, len(self.config.encode())), *((p, counts[p], sizes[p]) for p in sizes)]


def collect(
    config: str, travel: Iterable[Named], here: Path, *, ignored_too: bool = False
) -> Upload:
    """Finds the files; with `ignored_too` also those that .gitignore hides.

    Raises:
        DataError: a folder holds nothing, or a file cannot be read.
    """
    rules = Ignored(here)
    files: dict[str, File] = {}
    hidden: list[str] = []
    missing: str | None = None
    for one in travel:
        part = one.path.relative_to(here).as_posix()
        kept, left = _sort(one, here, None if ignored_too else rules)
        files |= {file.name: file for file in kept if file.name not in files}
        if left:
            hidden.append(_describe(one, part, left))
            missing = missing or (None if kept else hidden[-1])
    return Upload(config, tuple(files.values()), tuple(hidden), missing)


def check(upload: Upload) -> None:
    """Refuses what could not arrive, or would break the job there.

    Raises:
        DataError: a package or module of the upload would hide one of the cluster's.
        ResourceError: too much for Ray, with the sum.
    """
    _check_names(upload.files)
    if upload.size > LIMIT_BYTES:
        terms = " + ".join(f"{part} {size / MIB:.1f}" for part, _, size in upload.rows())
        raise ResourceError(
            f"upload: {terms} = {upload.size / MIB:.1f} MiB, but Ray takes {LIMIT_BYTES // MIB} "
            "MiB with a job; put what is large on storage that all nodes see and name its absolute "
            "path"
        )


def digest(upload: Upload) -> str:
    """Of the names and bytes of all files beside the configuration."""
    total = hashlib.sha256()
    for file in sorted(upload.files, key=lambda file: file.name):
        total.update(f"{file.name}\0".encode())
        total.update(hashlib.sha256(_bytes(file)).digest())
    return total.hexdigest()


def pack(upload: Upload, package: Path) -> None:
    """Writes the zip; equal files make equal bytes, which Ray then uploads once."""
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        archive.writestr(_entry(CONFIG), upload.config.encode())
        for file in sorted(upload.files, key=lambda file: file.name):
            archive.writestr(_entry(file.name), _bytes(file))


def _sort(one: Named, here: Path, rules: Ignored | None) -> tuple[list[File], dict[Path, str]]:
    """The files that travel, and those that do not with the rule that hides each."""
    kept: list[File] = []
    left: dict[Path, str] = {}
    part = f"{one.path.relative_to(here).as_posix()}/"
    for path in one.files():
        if rules and (rule := rules.by(path)):
            left[path] = rule
        else:
            kept.append(File(path.relative_to(here).as_posix(), path, path.stat().st_size, part))
    if not kept and not left:
        raise DataError(f"{one.key}: {one.name!r} holds no file")
    return kept, left


def _describe(one: Named, part: str, left: dict[Path, str]) -> str:
    size = sum(path.stat().st_size for path in left)
    [(rule, _)] = Counter(left.values()).most_common(1)
    return (
        f"{one.key}: {len(left)} files of {part}/ ({size / MIB:.1f} MiB) are hidden by {rule} and "
        "would not travel; --include-ignored uploads them"
    )


def _check_names(files: Sequence[File]) -> None:
    """Ray puts the job's folder before all others that Python imports from."""
    names = {file.name.removesuffix(".py") for file in files if file.name.endswith(".py")}
    tops = {name.removesuffix("/__init__") for name in names}
    known = {*sys.stdlib_module_names, *importlib.metadata.packages_distributions()}
    if taken := sorted(top for top in tops if "/" not in top and top in known):
        raise DataError(
            f"upload: {taken[0]!r} has the name of a module of Python or of an installed package "
            "and would be imported in its place on the cluster; put it into another folder"
        )


def _bytes(file: File) -> bytes:
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise DataError(f"{file.path}: cannot be read ({error.strerror})") from None


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, OLDEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
