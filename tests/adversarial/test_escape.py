"""Attempts to leave the sandbox. Each prints ESCAPED where it gets through.

The same code is run without the layers first and must get through there, so that what is refused
is refused by a layer and not by a mistake in the attempt.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import calcgen_ray
from calcgen_ray.judge import Sandbox
from calcgen_ray.judge.isolation.rlimits import PROCESSES
from calcgen_ray.judge.isolation.syscalls import EVERYWHERE, MACHINE

PACKAGE = Path(calcgen_ray.__file__).parent
LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
IF_ZERO = "print('ESCAPED' if {} == 0 else os.strerror(ctypes.get_errno()))"
IF_GOOD = "print('ESCAPED' if {} >= 0 else os.strerror(ctypes.get_errno()))"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """What attacks aim at: a secret file, a folder that may be written, and listeners."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "secret").write_text("ESCAPED")
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        tcp6 = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        unix, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        unix.bind(f"{folder}/unix")
        abstract.bind(f"\0calcgen-{os.getpid()}")
        for one in (unix, abstract):
            one.listen()
        yield {
            "folder": folder, "tcp": tcp.getsockname()[1], "tcp6": tcp6.getsockname()[1],
            "udp": udp.getsockname()[1], "client": os.getpid(), "package": PACKAGE,
        }  # fmt: skip


ATTACKS = {
    # the network
    "tcp": "import socket\nsocket.create_connection(('127.0.0.1', {tcp}), 2)\nprint('ESCAPED')",
    "tcp6": "import socket\nsocket.create_connection(('::1', {tcp6}), 2)\nprint('ESCAPED')",
    "udp": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "s.sendto(b'x', ('127.0.0.1', {udp}))\nprint('ESCAPED')",
    "unix": "import socket\nsocket.socket(socket.AF_UNIX).connect('{folder}/unix')\n"
    "print('ESCAPED')",
    "abstract": "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0calcgen-{client}')\n"
    "print('ESCAPED')",
    "listening": "import socket\nsocket.create_server(('127.0.0.1', 0))\nprint('ESCAPED')",
    "netlink": "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)\n"
    "print('ESCAPED')",
    "socket pair": "import socket\nsocket.socketpair()\nprint('ESCAPED')",
    # other processes
    "fork": "import os\nif os.fork(): print('ESCAPED')",
    "fork bomb": "import os\nfor _ in range(20):\n    if os.fork() == 0: os._exit(0)\n"
    "print('ESCAPED')",
    "subprocess": "import subprocess\nprint(subprocess.check_output(['echo', 'ESCAPED']).decode())",
    "os.system": "import os\nprint('ESCAPED' if os.system('exit 7') == 7 << 8 else 'no')",
    "exec": "import os\nos.execv('/bin/echo', ['echo', 'ESCAPED'])",
    "multiprocessing": "import multiprocessing as m\np = m.get_context('fork').Process()\n"
    "p.start()\np.join()\nprint('ESCAPED')",
    "kill the parent": "import os\nos.kill(os.getppid(), 0) if os.getppid() else 1 / 0\n"
    "print('ESCAPED')",
    "kill the client": "import os\nos.kill({client}, 0)\nprint('ESCAPED')",
    "kill all": "import os\nos.kill(-1, 0)\nprint('ESCAPED')",
    "stop the client": LIBC + IF_ZERO.format("libc.tgkill({client}, {client}, 0)"),
    "ptrace": LIBC + IF_ZERO.format("libc.ptrace(0, 0, 0, 0)"),
    "ptrace of the client": LIBC + IF_ZERO.format("libc.ptrace(0x4206, {client}, 0, 0)"),
    "reading memory": "data = open('/proc/{client}/mem', 'rb')\nprint('ESCAPED')",
    "priority of others": "import os\nos.setpriority(os.PRIO_PROCESS, {client}, "
    "os.getpriority(os.PRIO_PROCESS, {client}))\nprint('ESCAPED')",
    "affinity of others": "import os\nos.sched_setaffinity({client}, os.sched_getaffinity("
    "{client}))\nprint('ESCAPED')",
    # files
    "a file by its path": "print(open('{folder}/secret').read())",
    "a file by a symlink": "import os\nos.symlink('{folder}/secret', 'link')\n"
    "print(open('link').read())",
    "a file by a hard link": "import os\nos.link('{folder}/secret', '{folder}/linked')\n"
    "os.unlink('{folder}/linked')\nprint('ESCAPED')",
    "a file from above": "print(open('../' * 30 + '{folder}/secret').read())",
    "a file by /proc": "print(open('/proc/self/root{folder}/secret').read())",
    "a file by the parent's root": "import os\n"
    "print(open(f'/proc/{{os.getppid()}}/root{folder}/secret').read())",
    "writing outside": "open('{folder}/new', 'w').write('x')\nprint('ESCAPED')",
    "removing outside": "import os\nos.mkdir('{folder}/d')\nos.rmdir('{folder}/d')\n"
    "print('ESCAPED')",
    "writing to the package": "open('{package}/problem.py', 'a').close()\nprint('ESCAPED')",
    "writing to a library": "import sympy\nopen(sympy.__file__, 'a').close()\nprint('ESCAPED')",
    "the password file": "if open('/etc/passwd').read(): print('ESCAPED')",
    "shared memory files": "import os\nos.close(os.open('/dev/shm', os.O_RDONLY))\n"
    "print('ESCAPED')",
    "the client's environment": "if open('/proc/{client}/environ', 'rb').read(): print('ESCAPED')",
    "a device": "import os, stat\nos.mknod('d', stat.S_IFCHR | 0o600, os.makedev(1, 3))\n"
    "open('d', 'rb')\nprint('ESCAPED')",
    # rights
    "a user namespace": "import os\n" + LIBC + IF_ZERO.format("libc.unshare(0x10000000)"),
    "becoming root": "import os\nos.setuid(0)\nos.setgroups([0])\nprint('ESCAPED')",
    "another root": "import os\nos.chroot('.')\nprint('ESCAPED')",
    "mounting": LIBC + "os.mkdir('m')\nr = libc.mount(b'x', b'm', b'tmpfs', 0, None)\n"
    "libc.umount(b'm')\n" + IF_ZERO.format("r"),
    "SysV shared memory": LIBC + "i = libc.shmget(0, 4096, 0o1600)\nlibc.shmctl(i, 0, None)\n"
    + IF_GOOD.format("i"),
    "memory files": "import os\nos.memfd_create('x')\nprint('ESCAPED')",
    "keys": LIBC + IF_GOOD.format(f"libc.syscall({ {'x86_64': 250}.get(MACHINE, 219) }, 0, -2, 1)"),
    "io_uring": LIBC + "b = ctypes.create_string_buffer(256)\n"
    "libc.syscall(425, 0, b)\nprint('ESCAPED' if ctypes.get_errno() != 1 else 'no')",
    "a new root for mounts": LIBC + IF_GOOD.format("libc.syscall(430, b'tmpfs', 0)"),
    "limits of others": "import resource as r\nr.prlimit({client}, r.RLIMIT_CORE)\n"
    "print('ESCAPED')",
    "the host's name": "import socket\nsocket.sethostname(socket.gethostname())\n"
    "print('ESCAPED')",
    "Landlock of its own": LIBC + IF_GOOD.format(
        f"libc.syscall({EVERYWHERE['landlock_create_ruleset']}, None, 0, 1)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused(
    strict: Sandbox, bare: Sandbox, outside: dict[str, object], name: str
) -> None:
    code = ATTACKS[name]
    for word, value in outside.items():
        code = code.replace("{" + word + "}", str(value))
    code = code.replace("{{", "{").replace("}}", "}")
    [free] = bare.run([code])
    assert "ESCAPED" in free.stdout, free
    [held] = strict.run([code])
    assert "ESCAPED" not in held.stdout, held


def test_folder_is_bounded(strict: Sandbox) -> None:
    fill = "for n in range(40): open(f'f{n}', 'wb').write(bytes(10 << 20))"
    many = "for n in range(100_000): open(f'f{n}', 'w').close()"
    for code in (fill, many):
        [outcome] = strict.run([code])
        assert outcome.error.startswith("OSError: [Errno 28] No space left on device")


def test_limits_cannot_be_raised(sandbox: Sandbox) -> None:
    code = "import resource as r\nr.setrlimit(r.RLIMIT_AS, (1 << 40, 1 << 40))"
    assert sandbox.run([code])[0].error == "ValueError: not allowed to raise maximum limit"


def test_nothing_of_a_job_is_seen_by_the_next(strict: Sandbox) -> None:
    strict.run(
        ["open('f', 'w').write('x')\nimport sympy, os\nsympy.left = 1\nos.environ['L'] = '1'"]
    )
    look = "import os, sympy\nprint(os.listdir('.'), hasattr(sympy, 'left'), 'L' in os.environ)"
    [outcome] = strict.run([look])
    assert outcome.stdout == "[] False False\n"


def test_folder_that_cannot_be_entered_is_cleaned(strict: Sandbox) -> None:
    code = (
        "import os\nos.makedirs('a/b/c')\nopen('a/b/f', 'w').close()\n"
        "os.chmod('a/b', 0)\nos.chmod('a', 0)\nos.chmod('.', 0)"
    )
    assert strict.run([code])[0].ran
    assert (
        strict.run(["import os\nopen('f', 'w').close()\nprint(os.listdir('.'))"])[0].stdout
        == "['f']\n"
    )


def test_threads_are_bounded(strict: Sandbox) -> None:
    code = (
        "import threading, time\nn = 0\ntry:\n    for n in range(3000):\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "except RuntimeError: print(n)"
    )
    with Sandbox(servers=1, memory_bytes=16 << 30) as roomy:
        assert int(roomy.run([code])[0].stdout) < PROCESSES
