"""A seccomp filter: the system calls that computing, drawing and saving files need, no others.

What is not listed fails with EPERM: sockets, processes, execve, ptrace, mounts, keys, io_uring,
BPF, SysV IPC and whatever a later kernel adds. Some are let through by their arguments: clone for
threads only, signals to the own process only, few kinds of ioctl, fcntl and prctl.

Source: Documentation/userspace-api/seccomp_filter.rst; the layout of classic BPF is that of
linux/filter.h.
"""

from __future__ import annotations

import ctypes
import struct
from functools import lru_cache

from calcgen_ray.judge.isolation import syscalls

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# (x86_64, aarch64); None where that machine has no such call.
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "open": (2, None), "close": (3, 57), "stat": (4, None),
    "fstat": (5, 80), "lstat": (6, None), "poll": (7, None), "lseek": (8, 62), "mmap": (9, 222),
    "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "pread64": (17, 67),
    "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66), "access": (21, None),
    "pipe": (22, None), "select": (23, None), "sched_yield": (24, 124), "mremap": (25, 216),
    "msync": (26, 227), "mincore": (27, 232), "madvise": (28, 233), "dup": (32, 23),
    "dup2": (33, None), "pause": (34, None), "nanosleep": (35, 101), "getitimer": (36, 102),
    "alarm": (37, None), "setitimer": (38, 103), "getpid": (39, 172), "sendfile": (40, 71),
    "exit": (60, 93), "wait4": (61, 260), "uname": (63, 160), "flock": (73, 32),
    "fsync": (74, 82), "fdatasync": (75, 83), "truncate": (76, 45), "ftruncate": (77, 46),
    "getdents": (78, None), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50),
    "rename": (82, None), "mkdir": (83, None), "rmdir": (84, None), "creat": (85, None),
    "link": (86, None), "unlink": (87, None), "symlink": (88, None), "readlink": (89, None),
    "chmod": (90, None), "fchmod": (91, 52), "umask": (95, 166), "gettimeofday": (96, 169),
    "getrlimit": (97, 163), "getrusage": (98, 165), "sysinfo": (99, 179), "times": (100, 153),
    "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177),
    "getppid": (110, 173), "getpgrp": (111, None), "getgroups": (115, 158),
    "getresuid": (118, 148), "getresgid": (120, 150), "getpgid": (121, 155), "getsid": (124, 156),
    "capget": (125, 90), "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137),
    "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132), "utime": (132, None),
    "statfs": (137, 43), "fstatfs": (138, 44), "getpriority": (140, 141),
    "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126),
    "setrlimit": (160, 164), "gettid": (186, 178), "readahead": (187, 213), "time": (201, None),
    "futex": (202, 98), "sched_getaffinity": (204, 123), "getdents64": (217, 61),
    "set_tid_address": (218, 96), "restart_syscall": (219, 128), "fadvise64": (221, 223),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "exit_group": (231, 94), "epoll_wait": (232, None), "epoll_ctl": (233, 21),
    "utimes": (235, None), "waitid": (247, 95), "openat": (257, 56), "mkdirat": (258, 34),
    "newfstatat": (262, 79), "unlinkat": (263, 35), "renameat": (264, 38), "linkat": (265, 37),
    "symlinkat": (266, 36), "readlinkat": (267, 78), "fchmodat": (268, 53),
    "faccessat": (269, 48), "pselect6": (270, 72), "ppoll": (271, 73),
    "set_robust_list": (273, 99), "get_robust_list": (274, 100), "utimensat": (280, 88),
    "epoll_pwait": (281, 22), "fallocate": (285, 47), "eventfd2": (290, 19),
    "epoll_create1": (291, 20), "dup3": (292, 24), "pipe2": (293, 59), "preadv": (295, 69),
    "pwritev": (296, 70), "getcpu": (309, 168), "renameat2": (316, 276), "getrandom": (318, 278),
    "membarrier": (324, 283), "copy_file_range": (326, 285), "preadv2": (327, 286),
    "pwritev2": (328, 287), "statx": (332, 291), "rseq": (334, 293), "close_range": (436, 436),
    "faccessat2": (439, 439), "epoll_pwait2": (441, 441), "futex_waitv": (449, 449),
    "fchmodat2": (452, 452),
}  # fmt: skip
CLONE3 = 435  # its flags lie in memory, where no filter sees them: glibc then falls back on clone
X32 = 0x40000000

# Offsets in struct seccomp_data.
NR, ARCH = 0, 4
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, REFUSE, UNKNOWN, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000

CLONE_THREAD = 0x00010000
CLONE_NEW = 0x7E020080  # namespaces: user, PID, network, IPC, UTS, cgroup, mount and time
IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # of terminals' size, FIONREAD, close
PRCTLS = (3, 15, 16, 21, 23, 39, 0x53564D41)  # names, and what only asks
OWNERS = (8, 10, 15, 1026)  # fcntl that sends signals: F_SETOWN, F_SETSIG, F_SETOWN_EX, F_NOTIFY

Code = list[bytes]


def install(pid: int) -> None:
    """Filters this process for good; `pid` is its own id. It must have no_new_privs.

    Raises:
        OSError: the kernel has no seccomp, or the machine is not known.
    """
    filters = program(pid)
    code = ctypes.create_string_buffer(filters, len(filters))
    header = struct.pack("HxxxxxxP", len(filters) // 8, ctypes.addressof(code))
    syscalls.call("seccomp", 1, 0, header)  # SECCOMP_SET_MODE_FILTER


@lru_cache(maxsize=2)
def program(pid: int, machine: str = syscalls.MACHINE) -> bytes:
    """The filter as an array of struct sock_filter.

    Raises:
        OSError: the machine is not known.
    """
    if machine not in ARCHES:
        raise OSError(38, f"seccomp: no table of system calls for {machine}")
    column = 0 if machine == "x86_64" else 1
    leaves = {row[column]: _answer(ALLOW) for row in ALLOWED.values() if row[column] is not None}
    leaves |= _by_argument(pid, column)
    points: list[tuple[int, Code]] = [(0, _answer(REFUSE))]
    for number in range(max(n for n in leaves if n is not None) + 2):
        code = leaves.get(number, _answer(REFUSE))
        if code != points[-1][1]:
            points.append((number, code))
    if points[1][0] == 0:
        del points[0]
    start = [
        _step(LOAD, ARCH),
        _step(EQUAL, ARCHES[machine], 1, 0),
        *_answer(KILL),
        _step(LOAD, NR),
        _step(AT_LEAST, X32, 0, 1),
        *_answer(REFUSE),
    ]
    return b"".join(start + _tree(points))


def _by_argument(pid: int, column: int) -> dict[int | None, Code]:
    threads = [
        _argument(0),
        _step(ANY_BIT, CLONE_NEW, 2, 0),
        _step(ANY_BIT, CLONE_THREAD, 0, 1),
        *_answer(ALLOW),
        *_answer(REFUSE),
    ]
    rules: dict[tuple[int, int], Code] = {
        (56, 220): threads,
        (CLONE3, CLONE3): _answer(UNKNOWN),
        (16, 29): _if_in(1, IOCTLS, ALLOW, REFUSE),
        (157, 167): _if_in(0, PRCTLS, ALLOW, REFUSE),
        (72, 25): _if_in(1, OWNERS, REFUSE, ALLOW),
        (62, 129): _if_in(0, (pid,), ALLOW, REFUSE),  # kill
        (234, 131): _if_in(0, (pid,), ALLOW, REFUSE),  # tgkill
        (302, 261): _if_in(0, (0, pid), ALLOW, REFUSE),  # prlimit64
    }
    return {numbers[column]: code for numbers, code in rules.items()}


def _if_in(argument: int, values: tuple[int, ...], then: int, otherwise: int) -> Code:
    tests = [_step(EQUAL, value, len(values) - i, 0) for i, value in enumerate(values)]
    return [_argument(argument), *tests, *_answer(otherwise), *_answer(then)]


def _tree(points: list[tuple[int, Code]]) -> Code:
    """A search by halves over ranges that start at each point."""
    if len(points) == 1:
        return points[0][1]
    half = len(points) // 2
    left, right = _tree(points[:half]), _tree(points[half:])
    return [_step(AT_LEAST, points[half][0], len(left), 0), *left, *right]


def _argument(index: int) -> bytes:
    """Loads the low half, which is all that int arguments have."""
    return _step(LOAD, 16 + 8 * index)


def _answer(action: int) -> Code:
    return [_step(RETURN, action)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
