"""Where runs lie: a folder that all nodes see, or a bucket of which each node keeps a mirror.

A bucket is named by a URI of pyarrow.fs, as `s3://bucket/runs?region=eu-central-1` or
`gs://bucket/runs`; keys and roles come from where its library looks for them. A folder is put there
file by file, its manifest last: who reads takes no folder without one, and verifies it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from calcgen_ray.errors import ConfigError, ResourceError

MANIFESTS = ("calcgen.json", "manifest.json")
"""Of a checkpoint, of a corpus."""
ATTEMPTS = 4
T = TypeVar("T")


def is_bucket(storage: str) -> bool:
    return "://" in storage


def refuse_bucket(storage: str) -> str:
    """A folder as it is.

    Raises:
        ConfigError: a bucket, where only a folder will do.
    """
    if is_bucket(storage):
        raise ConfigError(
            f"run.storage: got {storage!r}; only `calcgen train` works in a bucket, and its "
            "checkpoints are named as s3://bucket/runs/NAME; here name a folder that all nodes see"
        )
    return storage


def retried(work: Callable[[], T], seconds: float = 0.5) -> T:
    """What `work` gives, begun anew after errors of storage that may pass, at most three times.

    Raises:
        OSError: the last one; a full or read-only disk at once.
    """
    import errno

    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG):
                raise
            time.sleep(seconds * 2 ** (attempt - 1))
    return work()


class Mirror:
    """A bucket's folder, and this process's copy of the parts that it uses.

    Args:
        uri: of the folder.
        role: processes of one machine that must not write to one copy have different roles.
        home: where copies lie.

    Raises:
        ConfigError: no such kind of storage, or a URI that cannot be read.
    """

    def __init__(self, uri: str, role: str, home: Path | None = None) -> None:
        from pyarrow import ArrowException, fs

        home = home or Path.home() / ".cache" / "calcgen"
        self.uri = uri
        self.root = home / hashlib.sha256(uri.encode()).hexdigest()[:16] / role
        try:
            self._fs, self._base = fs.FileSystem.from_uri(uri)
        except (ArrowException, OSError, ValueError) as error:
            raise ConfigError(f"run.storage: {uri!r}: {str(error).splitlines()[0]}") from None
        if not self._base.strip("/"):
            raise ConfigError(f"run.storage: {uri!r} names no bucket; write s3://bucket/runs")

    def check(self) -> None:
        """Writes a file and reads it again.

        Raises:
            ResourceError: the bucket does not answer, or not to these keys.
        """
        probe = self.root / f".check-{uuid.uuid4().hex[:12]}"
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_text("x")
        try:
            self.push(probe)
            self.pull(probe)
            self.sweep(probe.name)
        except OSError as error:
            raise ResourceError(f"run.storage: {self.uri}: {str(error).splitlines()[0]}") from None
        finally:
            probe.unlink(missing_ok=True)

    def push(self, path: Path) -> None:
        """Puts a file or folder of the copy into the bucket, a folder's manifest last.

        Raises:
            OSError: the bucket refused it, also when asked again.
        """
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        files.sort(key=lambda p: p.name in MANIFESTS)
        for file in files:
            retried(lambda file=file: self._upload(file))  # type: ignore[misc]

    def pull(self, path: Path) -> bool:
        """Brings a file or folder of the bucket into the copy; False where the bucket has none.

        A file that is there with the size and time of the bucket's is taken as it is, unless it is
        asked for by its own name.
        """
        from pyarrow import fs

        remote = self._remote(path)
        info = self._fs.get_file_info(remote)
        if info.type == fs.FileType.File:
            self._download(info, path)
            return True
        files = [f for f in self._walk(remote) if f.type == fs.FileType.File]
        for file in files:
            target = path / Path(file.path).relative_to(remote)
            if not _same(target, file):
                self._download(file, target)
        return bool(files)

    def names(self, path: Path) -> list[str]:
        """What lies right under a folder of the bucket, sorted."""
        from pyarrow import fs

        selector = fs.FileSelector(self._remote(path), allow_not_found=True)
        return sorted(info.base_name for info in self._fs.get_file_info(selector))

    def delete(self, path: Path) -> None:
        """Removes a folder from the bucket, if it is there."""
        if self.has(path):
            retried(lambda: self._fs.delete_dir(self._remote(path)))

    def sweep(self, prefix: str) -> None:
        """Removes the files right under the folder whose names begin so."""
        for name in self.names(self.root):
            if name.startswith(prefix):
                self._fs.delete_file(self._remote(self.root / name))

    def has(self, path: Path) -> bool:
        from pyarrow import fs

        return bool(self._fs.get_file_info(self._remote(path)).type != fs.FileType.NotFound)

    def _remote(self, path: Path) -> str:
        return f"{self._base.rstrip('/')}/{path.relative_to(self.root).as_posix()}".rstrip("/.")

    def _walk(self, remote: str) -> Iterator[Any]:
        from pyarrow import fs

        yield from self._fs.get_file_info(
            fs.FileSelector(remote, recursive=True, allow_not_found=True)
        )

    def _upload(self, file: Path) -> None:
        target = self._remote(file)
        self._fs.create_dir(target.rpartition("/")[0], recursive=True)
        with file.open("rb") as source, self._fs.open_output_stream(target) as sink:
            shutil.copyfileobj(source, sink, 4 * 1024 * 1024)

    def _download(self, info: Any, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        with self._fs.open_input_stream(info.path) as source, draft.open("wb") as sink:
            shutil.copyfileobj(source, sink, 4 * 1024 * 1024)
        if info.mtime_ns:
            os.utime(draft, ns=(info.mtime_ns, info.mtime_ns))
        os.replace(draft, target)


def _same(target: Path, info: Any) -> bool:
    """Whether a file of the copy was downloaded as the bucket has it now."""
    if not target.is_file():
        return False
    stat = target.stat()
    return bool(stat.st_size == info.size and stat.st_mtime_ns == (info.mtime_ns or 0))


def fetch(uri: str) -> Path:
    """A folder of a bucket as a local one, brought up to date.

    Raises:
        ResourceError: the bucket holds nothing there, or does not answer.
    """
    mirror = Mirror(uri, "reader")
    try:
        found = mirror.pull(mirror.root)
    except OSError as error:
        raise ResourceError(f"{uri}: {str(error).splitlines()[0]}") from None
    if not found:
        raise ResourceError(
            f"{uri}: the bucket holds nothing there; name a run as s3://…/runs/NAME"
        )
    return mirror.root


def try_out(storage: str, token: str, node: str) -> str:
    """Reads the file `token` of a storage and writes one of its own: "" or why it cannot.

    Run on each node before a training, since what only one node sees would be missed at the first
    checkpoint.
    """
    try:
        if is_bucket(storage):
            mirror = Mirror(storage, f"probe-{node}")
            if not mirror.pull(mirror.root / token):
                return "does not see what was written"
            (mirror.root / f"{token}-{node}").write_text(node)
            mirror.push(mirror.root / f"{token}-{node}")
            shutil.rmtree(mirror.root, ignore_errors=True)
        else:
            if not (Path(storage) / token).is_file():
                return "does not see what was written there"
            (Path(storage) / f"{token}-{node}").write_text(node)
    except (OSError, ConfigError) as error:
        return str(error).splitlines()[0]
    return ""
