"""The forked process: gives up what it does not need, runs the segments, reports each.

Reports go through a socket that keeps message borders, at a descriptor number drawn for each
job, and carry a secret drawn for each job: what code writes to any descriptor is then no report.
Output is caught at descriptor 1, so that C code's prints are in it too; the server takes it out
at the end of every segment, before it lets the next one begin.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import fcntl
import json
import linecache
import math
import os
import random
import resource
import socket
import sys
from types import ModuleType, TracebackType
from typing import NoReturn

from calcgen_ray.judge import notebook
from calcgen_ray.judge.request import ERROR_CHARS, TREE_BYTES, Limits, Request
from calcgen_ray.judge.walk import encode
from calcgen_ray.problem import Status

OPEN_FILES = 1024
FILE_BYTES = 64 << 20
SPARE_BYTES = 64 << 20
"""Open to this file only, so that a segment can be reported and the next begun in full memory."""

LOST = 70
"""Exit code of a child that could not report; EX_SOFTWARE of sysexits.h."""


def run(control: socket.socket, stdout: int, secret: bytes, job: Request, folder: str) -> NoReturn:
    """Runs a job in this process, which must be a fresh fork, and never returns."""
    try:
        os.setsid()
        channel = _keep_only(control.detach(), stdout, secret)
        os.chdir(folder)
        _limit(job.limits)
        _report(channel, secret, {"index": -1})
        _run_segments(channel, secret, job)
    finally:
        # No clean-up of the interpreter: that would run the candidate's atexit and __del__.
        os._exit(LOST)


def _keep_only(control: int, stdout: int, secret: bytes) -> socket.socket:
    """Closes every descriptor but 0 and 2 (/dev/null), 1 (the pipe) and the control socket."""
    null = os.open(os.devnull, os.O_RDWR)
    place = 100 + int.from_bytes(secret[:4], "big") % (OPEN_FILES - 200)
    high = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, place)
    for source, target in ((null, 0), (stdout, 1), (null, 2)):
        os.dup2(source, target)
    os.closerange(3, high)
    os.closerange(high + 1, OPEN_FILES)
    return socket.socket(fileno=high)


def _limit(limits: Limits) -> None:
    cpu = math.ceil(limits.job_seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))


def _limit_memory(soft: int, hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _run_segments(channel: socket.socket, secret: bytes, job: Request) -> None:
    namespace = _namespace(job)
    parent, libc = os.getpid(), ctypes.CDLL(None)
    for index, code in enumerate(job.segments):
        if not channel.recv(1):
            return
        report = _run_segment(code, f"<segment {index + 1}>", namespace, job.limits)
        if os.getpid() != parent:  # a copy that the code forked and let run on
            os._exit(0)
        if job.result is not None and index == len(job.segments) - 1:
            report |= _result(report, namespace, job.result)
        _flush(libc)
        _report(channel, secret, {"index": index, **report})
    channel.recv(1)  # the server kills this process when it has all it wants


def _namespace(job: Request) -> dict[str, object]:
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.path[0] = ""
    sys.argv = [""]
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if job.notebook:
        main.__dict__.update(notebook.names())
    main.__dict__["__builtins__"] = builtins
    return main.__dict__


def _run_segment(
    code: str, filename: str, namespace: dict[str, object], limits: Limits
) -> dict[str, object]:
    soft, hard = limits.memory_bytes, limits.memory_bytes + SPARE_BYTES
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    _limit_memory(hard, hard)
    try:
        # dont_inherit: this file's own __future__ import is no business of the candidate's.
        program = compile(code, filename, "exec", dont_inherit=True)
        _limit_memory(soft, hard)
        exec(program, namespace)
    except BaseException as error:
        _limit_memory(hard, hard)
        return _describe(error, filename)
    _limit_memory(hard, hard)
    return {"status": Status.RAN}


def _result(
    report: dict[str, object], namespace: dict[str, object], name: str
) -> dict[str, object]:
    """The tree of that variable, if the segment ran and left one."""
    if report["status"] is not Status.RAN or name not in namespace:
        return {}
    tree = encode(namespace[name])
    return {"result": tree if len(json.dumps(tree)) <= TREE_BYTES else {"other": "too large"}}


def _describe(error: BaseException, filename: str) -> dict[str, object]:
    """Status, "Type: message" and the line in this segment where the error arose."""
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return {"status": Status.RAN}
    memory = isinstance(error, MemoryError)
    return {
        "status": Status.MEMORY if memory else Status.FAILED,
        "error": _text(error),
        "line": _line(error, sys.exc_info()[2], filename),
    }


def _text(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        message = str(error)
    except BaseException:  # the candidate's own __str__
        message = ""
    return (f"{kind}: {message}" if message else kind)[:ERROR_CHARS]


def _line(error: BaseException, trace: TracebackType | None, filename: str) -> int:
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno or 0
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _flush(libc: ctypes.CDLL) -> None:
    with contextlib.suppress(Exception):  # closed or replaced by the candidate
        sys.stdout.flush()
    libc.fflush(None)


def _report(channel: socket.socket, secret: bytes, report: dict[str, object]) -> None:
    channel.send(secret + json.dumps(report).encode())
