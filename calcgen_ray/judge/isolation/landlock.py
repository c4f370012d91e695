"""Landlock: which files a process may read and write, whatever its user may.

Source: Documentation/userspace-api/landlock.rst. Every right that the kernel's ABI knows is
handled, so that what no rule grants is refused: executing anything, devices, Unix sockets, TCP
(ABI 4), abstract sockets and signals to processes outside (ABI 6).
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable

from calcgen_ray.judge.isolation import syscalls

READ_FILE, READ_DIR, WRITE_FILE, TRUNCATE = 1 << 2, 1 << 3, 1 << 1, 1 << 14
REMOVE, MAKE_DIR, MAKE_FILE, MAKE_FIFO, MAKE_LINK = 3 << 4, 1 << 7, 1 << 8, 1 << 10, 1 << 12
REFER = 1 << 13
READ = READ_FILE | READ_DIR
WRITE = WRITE_FILE | TRUNCATE | REMOVE | MAKE_DIR | MAKE_FILE | MAKE_FIFO | MAKE_LINK | REFER
OF_FILES = READ_FILE | WRITE_FILE | TRUNCATE
KNOWN_SINCE = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI: how many rights over files it knows."""


def abi() -> int:
    """The kernel's version of the interface.

    Raises:
        OSError: the kernel is older than 5.13, or was started without Landlock.
    """
    return syscalls.call("landlock_create_ruleset", None, 0, 1)


def make_rules(readable: Iterable[str], writable: Iterable[str]) -> int:
    """The descriptor of a ruleset over what lies under these paths; those missing are left out.

    Raises:
        OSError: the kernel has no Landlock.
    """
    version = abi()
    handled = (1 << max(bits for since, bits in KNOWN_SINCE.items() if since <= version)) - 1
    size = 8 if version < 4 else 16 if version < 6 else 24
    attributes = struct.pack("QQQ", handled, 3, 3)
    rules = syscalls.call("landlock_create_ruleset", attributes, size, 0)
    for paths, rights in ((readable, READ), (writable, READ | WRITE)):
        for path in paths:
            if os.path.exists(path):
                _add(rules, path, rights & handled)
    return rules


def restrict(rules: int) -> None:
    """Puts this process under the ruleset for good. It must have no_new_privs.

    Raises:
        OSError: refused by the kernel.
    """
    syscalls.call("landlock_restrict_self", rules, 0)


def _add(rules: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= OF_FILES
        syscalls.call("landlock_add_rule", rules, 1, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)
