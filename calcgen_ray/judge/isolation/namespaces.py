"""New user, network, IPC and PID namespaces, and the loss of every capability."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from calcgen_ray.judge.isolation import syscalls

NEW_MOUNT, NEW_IPC, NEW_USER = 0x00020000, 0x08000000, 0x10000000
NEW_PID, NEW_NETWORK = 0x20000000, 0x40000000

HEADER = struct.pack("II", 0x20080522, 0)  # version 3 of capset's header, this process
USER = 1000
"""Id of the only user and the only group that there are in the user namespace."""


def enter_user() -> None:
    """Moves this single-threaded process into a user namespace of its own, with all rights in it.

    Raises:
        OSError: not permitted on this machine.
    """
    user, group = os.geteuid(), os.getegid()
    unshare(NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{USER} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{USER} {group} 1")


def unshare(flag: int) -> None:
    """Moves this process into a new namespace.

    Raises:
        OSError: not permitted on this machine.
    """
    syscalls.library("unshare", flag)


def refuse_new_privileges() -> None:
    """No program that this process starts can gain rights; seccomp and Landlock ask for it."""
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Gives up every capability of this process.

    Raises:
        OSError: refused by the kernel.
    """
    syscalls.call("capset", HEADER, bytes(24))
