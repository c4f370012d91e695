"""System calls that Python has no function for, by their numbers, through the C library.

Numbers are those of x86_64 and of aarch64 (asm-generic/unistd.h); elsewhere every call fails with
ENOSYS, and what stands on it is reported as off.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal

MACHINE = platform.machine()
NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {"clone": 56, "capget": 125, "capset": 126, "pivot_root": 155, "seccomp": 317},
    "aarch64": {"clone": 220, "capget": 90, "capset": 91, "pivot_root": 41, "seccomp": 277},
}
EVERYWHERE = {
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38

# PyDLL keeps the interpreter's lock: a child that is cloned must still hold it.
_libc = ctypes.PyDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """The result of a system call; a bytes argument is passed by its address.

    Raises:
        OSError: it failed, or is not known on this machine.
    """
    number = NUMBERS.get(MACHINE, {}).get(name)
    if number is None:
        number = EVERYWHERE.get(name) if MACHINE in NUMBERS else None
    if number is None:
        raise OSError(38, f"{name}: not known on {MACHINE}")
    return _checked(name, _libc.syscall(ctypes.c_long(number), *map(_wide, arguments)))


def library(name: str, *arguments: object) -> int:
    """The result of a function of the C library that sets errno.

    Raises:
        OSError: it failed.
    """
    return _checked(name, getattr(_libc, name)(*map(_wide, arguments)))


def prctl(option: int, value: int) -> None:
    library("prctl", option, value, 0, 0, 0)


def fork(flags: int) -> int:
    """A fork with flags of clone(2), such as CLONE_NEWPID; for single-threaded programs.

    The at-fork hooks of Python and its libraries do not run: they renew locks, which nobody can
    hold here, and reseed generators, which a job seeds itself; and they cost a child 260 pages.

    Raises:
        OSError: the flags are not permitted here.
    """
    return call("clone", flags | signal.SIGCHLD, None, None, None, None)


def _wide(argument: object) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _checked(name: str, result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result
