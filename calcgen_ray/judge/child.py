"""The forked process: locks itself in, waits for its job, runs the segments, reports each.

Reports go through a socket that keeps message borders, at a descriptor number drawn for each
job, and carry a secret drawn for each job: what code writes to any descriptor is then no report.
Output is caught at descriptor 1, so that C code's prints are in it too; the server takes it out
at the end of every segment, before it lets the next one begin. Code that inspects its own
interpreter can find the secret, and so forge the report on itself, though no other job's.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import json
import linecache
import os
import random
import resource
import select
import socket
import sys
from functools import partial
from types import ModuleType, TracebackType
from typing import NoReturn

from calcgen_ray.judge import extras, notebook, pages
from calcgen_ray.judge.isolation.confinement import Confinement
from calcgen_ray.judge.isolation.descriptors import keep_only
from calcgen_ray.judge.isolation.rlimits import limit, limit_memory
from calcgen_ray.judge.request import ERROR_CHARS, LAST, PIECE_BYTES, Limits, Request, pieces
from calcgen_ray.problem import Status

SPARE_BYTES = 64 << 20
"""Open to this file only, so that a segment can be reported and the next begun in full memory."""

LOST = 70
"""Exit code of a child that could not report; EX_SOFTWARE of sysexits.h."""


def run(
    control: socket.socket, stdout: int, secret: bytes, walls: Confinement, likely: pages.Runs
) -> NoReturn:
    """Runs one job, which comes through `control`, in this fresh fork, and never returns."""
    try:
        os.setsid()
        channel = keep_only(control.detach(), stdout, secret, walls.descriptors)
        walls.restrict()
        _report(channel, secret, {"index": -1})
        pages.copy(likely, until=partial(_has_news, channel))
        job = _receive(channel)
        limit(job.limits)
        _run_segments(channel, secret, job)
    except OSError as error:
        with contextlib.suppress(OSError):
            _report(channel, secret, {"index": -1, "status": "sandbox", "error": str(error)})
    finally:
        # No clean-up of the interpreter: that would run the candidate's atexit and __del__.
        os._exit(LOST)


def _has_news(channel: int) -> bool:
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    return bool(poll.poll(0))


def _receive(channel: int) -> Request:
    """The job, which the server sends in pieces when there is one."""
    data = bytearray()
    piece = b""
    while piece[:1] != LAST:
        piece = os.read(channel, PIECE_BYTES + 1)
        if not piece:
            os._exit(0)  # the server has no more jobs
        data += piece[1:]
    return Request.from_json(json.loads(data))


def _run_segments(channel: int, secret: bytes, job: Request) -> None:
    namespace = _namespace(job)
    parent, libc = os.getpid(), ctypes.CDLL(None)
    for index, code in enumerate(job.segments):
        if index and not os.read(channel, 1):
            return
        report = _run_segment(code, f"<segment {index + 1}>", namespace, job.limits)
        if os.getpid() != parent:  # a copy that the code forked and let run on
            os._exit(0)
        _flush(libc)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        _report(channel, secret, {"index": index, "memory": peak, **report})
    if job.wants_extras:
        _report_extras(channel, secret, job, namespace)
    os.read(channel, 1)  # the server kills this process when it has all it wants


def _report_extras(channel: int, secret: bytes, job: Request, namespace: dict[str, object]) -> None:
    limit_memory(job.limits.memory_bytes, job.limits.memory_bytes + SPARE_BYTES)
    with contextlib.suppress(Exception):  # memory, or what the candidate made of the libraries
        for item in extras.collect(job, namespace):
            for piece in pieces(item):
                os.write(channel, secret + piece)
    limit_memory(*[job.limits.memory_bytes + SPARE_BYTES] * 2)
    _report(channel, secret, {"index": len(job.segments)})


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
    limit_memory(hard, hard)
    try:
        # dont_inherit: this file's own __future__ import is no business of the candidate's.
        program = compile(code, filename, "exec", dont_inherit=True)
        limit_memory(soft, hard)
        exec(program, namespace)
    except BaseException as error:
        limit_memory(hard, hard)
        return _describe(error, filename)
    limit_memory(hard, hard)
    return {"status": Status.RAN}


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


def _report(channel: int, secret: bytes, report: dict[str, object]) -> None:
    # Not send: the filter lets no call of sockets through.
    os.write(channel, secret + json.dumps(report).encode())
