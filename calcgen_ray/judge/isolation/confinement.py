"""The layers around a job: what a server does once, and what each of its children does to itself.

A layer that cannot be set up is left off with its reason; whoever needs it refuses (sandbox.py).
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
from collections.abc import Callable, Iterable
from functools import partial

from calcgen_ray.judge.isolation import landlock, mounts, namespaces, seccomp, syscalls
from calcgen_ray.judge.isolation.rlimits import PROCESSES

ALWAYS = ("rlimits", "descriptors", "session")
OPTIONAL = (
    "user namespace", "network namespace", "IPC namespace", "mount namespace", "private folder",
    "PID namespace", "capabilities", "Landlock", "seccomp",
)  # fmt: skip
LAYERS = (*ALWAYS, *OPTIONAL)

INIT = 1


class Confinement:
    """What holds a server's children. `off` maps each layer that is not there to the reason.

    Args:
        home: the server's own folder, absolute.
        without: optional layers to leave off, for tests and for machines where one misbehaves.
    """

    def __init__(self, home: str, without: Iterable[str] = ()) -> None:
        self.home = home
        self.folder = os.path.join(home, "job")
        self.off = {name: "left off on request" for name in without}
        self._rules = -1
        # Stays open, for there is no /proc under the new root; children close it.
        self.proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    @property
    def own_pids(self) -> bool:
        """Whether each child is the first process of a PID namespace, which dies with it."""
        return "PID namespace" not in self.off

    @property
    def own_folder(self) -> bool:
        """Whether the job's folder is a file system of bounded size."""
        return "private folder" not in self.off

    @property
    def descriptors(self) -> list[int]:
        """What a child needs open until it is restricted."""
        return [fd for fd in (self.proc, self._rules) if fd >= 0]

    def prepare(self) -> None:
        """Sets up the server's side. The process must have a single thread."""
        paths = mounts.readable()
        space, user = namespaces, "user namespace"
        self._try(user, namespaces.enter_user)
        self._try("network namespace", lambda: space.unshare(space.NEW_NETWORK), user)
        self._try("IPC namespace", lambda: space.unshare(space.NEW_IPC), user)
        # The root has no other place to write to than the private folder.
        build = partial(mounts.build, self.home, paths)
        self._try("mount namespace", build, user, "private folder")
        self._try("private folder", self._take_folder, "mount namespace")
        self._try("PID namespace", _clone_once, user)
        self._try("capabilities", _read_capabilities)
        os.makedirs(self.folder, exist_ok=True)
        namespaces.refuse_new_privileges()
        self._try("Landlock", lambda: self._make_rules(paths))
        self._try("seccomp", lambda: seccomp.program(INIT))

    def fork(self) -> int:
        """Forks a child, in a PID namespace of its own where there are any."""
        return syscalls.fork(namespaces.NEW_PID) if self.own_pids else os.fork()

    def restrict(self) -> None:
        """The child's side: from here on it can do no more than a job may.

        Raises:
            OSError: a layer that was there a moment ago is not.
        """
        os.chdir(self.folder)
        self._limit_processes()
        if "capabilities" not in self.off:
            namespaces.drop_capabilities()
        if "Landlock" not in self.off:
            landlock.restrict(self._rules)
        for fd in self.descriptors:
            os.close(fd)
        if "seccomp" not in self.off:
            seccomp.install(os.getpid())

    def clean(self) -> bool:
        """Leaves the job's folder empty, whatever the job made of it.

        Tells whether that took a new folder, which children forked before cannot use.
        """
        os.chmod(self.folder, 0o700)
        for name in os.listdir(self.folder):
            _remove(os.path.join(self.folder, name))
        if self.own_folder and os.listdir(self.folder):
            mounts.unmount_folder()
            mounts.mount_folder()
            self._renew_rules()
            return True
        return False

    def _take_folder(self) -> None:
        self.folder = mounts.JOB

    def _make_rules(self, paths: Iterable[str]) -> None:
        self._paths = [*paths, *mounts.DEVICES]
        self._renew_rules()

    def _renew_rules(self) -> None:
        if self._rules >= 0:
            os.close(self._rules)
        self._rules = landlock.make_rules(self._paths, [self.folder, os.devnull])

    def _limit_processes(self) -> None:
        """Bounds threads: seccomp lets no process begin. Root is exempt from the rlimit."""
        if "user namespace" in self.off:
            return  # the limit would count all of this user's processes
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
        if self.own_pids:
            with contextlib.suppress(OSError):  # a namespace has a limit of its own since 6.14
                place = os.open("sys/kernel/pid_max", os.O_WRONLY, dir_fd=self.proc)
                os.write(place, b"%d" % PROCESSES)
                os.close(place)

    def _try(self, name: str, action: Callable[[], object], *needs: str) -> None:
        for need in needs:
            if need in self.off:
                self.off.setdefault(name, f"needs the {need}")
        if name in self.off:
            return
        try:
            action()
        except OSError as error:
            self.off[name] = error.strerror or str(error)


def folder_bytes(folder: str) -> int:
    """What lies in a folder, found without following links; stops counting at the bound."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
        if total > mounts.FOLDER_BYTES:
            break
    return total


def _clone_once() -> None:
    pid = syscalls.fork(namespaces.NEW_PID)
    if pid == 0:
        os._exit(0 if os.getpid() == INIT else 1)
    if os.waitpid(pid, 0)[1]:
        raise OSError("a child in a new PID namespace is not its first process")


def _read_capabilities() -> None:
    syscalls.call("capget", namespaces.HEADER, bytes(24))


def _remove(path: str) -> None:
    """Removes a file, or a folder that may have been closed to its owner."""
    if os.path.islink(path) or not os.path.isdir(path):
        with contextlib.suppress(OSError):
            os.unlink(path)
        return
    with contextlib.suppress(OSError, RecursionError):
        os.chmod(path, 0o700)
        for place, names, _ in os.walk(path):
            for name in names:
                if not os.path.islink(os.path.join(place, name)):
                    os.chmod(os.path.join(place, name), 0o700)
        shutil.rmtree(path, ignore_errors=True)
