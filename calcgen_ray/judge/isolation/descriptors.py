"""What a child keeps of the descriptors that it was forked with."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection

from calcgen_ray.judge.isolation.rlimits import OPEN_FILES


def keep_only(control: int, stdout: int, secret: bytes, kept: Collection[int] = ()) -> int:
    """Closes every descriptor but 0 and 2 (/dev/null), 1 (the pipe), `kept` and the socket.

    Returns the socket's new descriptor, whose number is drawn from `secret`.
    """
    null = os.open(os.devnull, os.O_RDWR)
    place = 100 + int.from_bytes(secret[:4], "big") % (OPEN_FILES - 200)
    high = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, place)
    for source, target in ((null, 0), (stdout, 1), (null, 2)):
        os.dup2(source, target)
    start = 3
    for stays in sorted({high, *kept}):
        os.closerange(start, stays)
        start = stays + 1
    os.closerange(start, OPEN_FILES)
    return high
