"""What each layer must deny: sets the layer up in this process, then tries to get past it.

Each runs in a throw-away fork of `layers.py`, in an empty folder, and raises where the layer
cannot be set up or the attempt is not denied.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

from calcgen_ray.judge.isolation import landlock, mounts, namespaces, seccomp, syscalls
from calcgen_ray.judge.isolation.confinement import INIT
from calcgen_ray.judge.isolation.descriptors import keep_only
from calcgen_ray.judge.isolation.rlimits import FILE_BYTES, limit, limit_memory
from calcgen_ray.judge.request import Limits

IPC_CREATE, IPC_STAT, IPC_REMOVE = 0o1600, 2, 0
NOT_DENIED = 200  # exit code, above every errno


class NotDeniedError(Exception):
    """What must not be possible was."""


def denied(what: str, attempt: Callable[[], object]) -> None:
    """Makes the attempt, which must raise OSError.

    Raises:
        NotDeniedError: it did not.
    """
    try:
        attempt()
    except OSError:
        return
    raise NotDeniedError(f"{what} was not denied")


def in_child(attempt: Callable[[], None], fork: Callable[[], int] = os.fork) -> None:
    """Makes the attempt in a child of this process and raises what it raised."""
    pid = fork()
    if pid == 0:
        code = errno.EINVAL
        try:
            attempt()
            code = 0
        except OSError as error:
            code = error.errno or code
        except NotDeniedError:
            code = NOT_DENIED
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == NOT_DENIED:
        raise NotDeniedError("what the layer stands for was not denied")
    if code:
        raise OSError(abs(code), os.strerror(abs(code)))


def rlimits(folder: str) -> None:
    limit(Limits())
    place = os.open(f"{folder}/file", os.O_WRONLY | os.O_CREAT)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    denied("a file over its limit", lambda: os.pwrite(place, b"x", FILE_BYTES))
    limit_memory(1 << 30, 1 << 30)
    try:
        bytearray(2 << 30)
    except MemoryError:
        return
    raise NotDeniedError("memory over its limit was not denied")


def descriptors(folder: str) -> None:
    place = os.dup2(os.open(folder, os.O_RDONLY), 60)
    ours, theirs = socket.socketpair()

    def attempt() -> None:
        keep_only(theirs.detach(), os.dup(1), bytes(16))
        denied("an inherited descriptor", lambda: os.fstat(place))
        denied("the other end of the channel", lambda: os.fstat(ours.fileno()))

    in_child(attempt)


def session(folder: str) -> None:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.fork()
        time.sleep(60)
        os._exit(0)
    while os.getpgid(pid) != pid:
        time.sleep(0.001)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def user_namespace(folder: str) -> None:
    namespaces.enter_user()
    if os.getuid() != namespaces.USER:
        raise NotDeniedError("being another user")
    denied("making a device", lambda: os.mknod(f"{folder}/d", stat.S_IFCHR | 0o600, 0x103))
    denied("becoming root", lambda: os.setuid(0))


def network_namespace(folder: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    namespaces.enter_user()
    namespaces.unshare(namespaces.NEW_NETWORK)
    denied("a connection", lambda: socket.create_connection(listener.getsockname(), 2.0))


def ipc_namespace(folder: str) -> None:
    place = syscalls.library("shmget", 0, 4096, IPC_CREATE)

    def attempt() -> None:
        namespaces.enter_user()
        namespaces.unshare(namespaces.NEW_IPC)
        denied("shared memory", lambda: syscalls.library("shmctl", place, IPC_STAT, bytes(200)))

    try:
        in_child(attempt)
    finally:
        syscalls.library("shmctl", place, IPC_REMOVE, None)


def mount_namespace(folder: str) -> None:
    outside = Path(folder, "outside")
    outside.touch()
    namespaces.enter_user()
    mounts.build(folder, mounts.readable())
    denied("a file outside", lambda: outside.read_bytes())
    denied("writing to a library", lambda: Path(sys.prefix, "calcgen-probe").touch())
    denied("writing to the package", lambda: Path(mounts.PACKAGE, "calcgen-probe").touch())


def private_folder(folder: str) -> None:
    namespaces.enter_user()
    mounts.build(folder, mounts.readable())
    place = os.open(f"{mounts.JOB}/file", os.O_WRONLY | os.O_CREAT)
    denied("filling the folder", lambda: os.posix_fallocate(place, 0, mounts.FOLDER_BYTES + 1))


def pid_namespace(folder: str) -> None:
    parent = os.getpid()
    namespaces.enter_user()

    def attempt() -> None:
        denied("signalling the parent", lambda: os.kill(parent, 0))
        if (os.getpid(), os.getppid()) != (INIT, 0):
            raise NotDeniedError("seeing other processes")

    in_child(attempt, lambda: syscalls.fork(namespaces.NEW_PID))


def capabilities(folder: str) -> None:
    with contextlib.suppress(OSError):  # those of this user are given up just as well
        namespaces.enter_user()
    namespaces.drop_capabilities()
    denied("a new namespace", lambda: namespaces.unshare(namespaces.NEW_MOUNT))
    denied("another root", lambda: os.chroot(folder))


def landlock_rules(folder: str) -> None:
    inside, outside = Path(folder, "inside"), Path(folder, "outside")
    inside.mkdir()
    outside.write_text("x")
    namespaces.refuse_new_privileges()
    landlock.restrict(landlock.make_rules([], [str(inside)]))
    (inside / "file").write_text("x")
    denied("reading a file outside", outside.read_bytes)
    denied("writing a file outside", lambda: outside.write_text("y"))
    denied("executing", lambda: os.execv("/bin/true", ["true"]))


def seccomp_filter(folder: str) -> None:
    namespaces.refuse_new_privileges()
    seccomp.install(os.getpid())
    Path(folder, "file").write_text("x")
    denied("a socket", socket.socket)
    denied("a new process", os.fork)
    denied("signalling the parent", lambda: os.kill(os.getppid(), 0))
    denied("tracing", lambda: syscalls.library("ptrace", 0, 0, 0, 0))


ATTEMPTS: dict[str, Callable[[str], None]] = {
    "rlimits": rlimits,
    "descriptors": descriptors,
    "session": session,
    "user namespace": user_namespace,
    "network namespace": network_namespace,
    "IPC namespace": ipc_namespace,
    "mount namespace": mount_namespace,
    "private folder": private_folder,
    "PID namespace": pid_namespace,
    "capabilities": capabilities,
    "Landlock": landlock_rules,
    "seccomp": seccomp_filter,
}
