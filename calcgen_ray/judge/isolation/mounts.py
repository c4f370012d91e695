"""A root of its own for a server: the interpreter and its libraries to read, one folder to write.

Nothing else of the machine's files is there: no home, no /proc, no /etc but what the loader and
the fonts need.
"""

from __future__ import annotations

import os
import pwd
import site
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from calcgen_ray.judge.isolation import namespaces, syscalls

NO_SUID, NO_DEVICES, NO_EXEC = 2, 4, 8
BIND, RECURSIVE, PRIVATE = 1 << 12, 1 << 14, 1 << 18
DETACH = 2
AT_RECURSIVE, AT_CWD = 0x8000, -100
READ_ONLY_NO_SUID = 1 | 2  # MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/nix/store", "/etc/fonts", "/etc/ld.so.cache",
    "/etc/localtime", "/etc/mime.types",
)  # fmt: skip
PACKAGE = str(Path(__file__).resolve().parents[2])
JOB = "/job"
ROOT_BYTES = 4 << 20
FOLDER_BYTES = 128 << 20
"""Of all that a job may write to its folder."""

FOLDER_FILES = 10_000


def readable() -> list[str]:
    """What code needs to read: paths that exist, none of them under another."""
    found = {*SYSTEM, PACKAGE, sys.prefix, sys.base_prefix, sys.exec_prefix}
    found |= {site.getusersitepackages(), *os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)}
    # The folder that holds the package may hold much else: its users' data, for one.
    found |= set(sys.path) - {str(Path(PACKAGE).parent), os.getcwd()}
    found |= {os.path.realpath(path) for path in found if path}
    homes = {"/", *(user.pw_dir for user in pwd.getpwall())}
    kept = [path for path in found if os.path.isabs(path) and path not in homes]
    return list(_outermost(path for path in kept if os.path.exists(path)))


def build(folder: str, paths: Iterable[str]) -> None:
    """Makes `folder`/root, with these paths in it, the root of this process's mount namespace.

    Raises:
        OSError: not permitted on this machine.
    """
    root = os.path.join(folder, "root")
    os.makedirs(root, exist_ok=True)
    namespaces.unshare(namespaces.NEW_MOUNT)
    _mount(None, "/", None, RECURSIVE | PRIVATE)
    _mount("tmpfs", root, "tmpfs", NO_SUID, f"size={ROOT_BYTES},mode=755")
    for path in (*paths, *(device for device in DEVICES if os.path.exists(device))):
        _bind(path, root + path)
    os.makedirs(root + JOB)
    if not os.path.exists(root + "/tmp"):
        os.symlink(JOB, root + "/tmp")
    attributes = struct.pack("QQQQ", READ_ONLY_NO_SUID, 0, 0, 0)
    syscalls.call("mount_setattr", AT_CWD, os.fsencode(root), AT_RECURSIVE, attributes, 32)
    os.chdir(root)
    syscalls.call("pivot_root", b".", b".")
    syscalls.library("umount2", b".", DETACH)
    os.chdir("/")
    mount_folder()


def mount_folder() -> None:
    """Lays an empty folder of bounded size over the job's place."""
    options = f"size={FOLDER_BYTES},nr_inodes={FOLDER_FILES},mode=700"
    _mount("tmpfs", JOB, "tmpfs", NO_SUID | NO_DEVICES | NO_EXEC, options)


def unmount_folder() -> None:
    syscalls.library("umount2", os.fsencode(JOB), DETACH)


def _outermost(paths: Iterable[str]) -> Iterator[str]:
    kept: list[str] = []
    for path in sorted(map(os.path.normpath, paths), key=len):
        if not any(path == one or path.startswith(one + "/") for one in kept):
            kept.append(path)
            yield path


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    _mount(source, target, None, BIND | RECURSIVE)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = None if options is None else os.fsencode(options)
    try:
        syscalls.library("mount", *texts, flags, data)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({target})") from error
