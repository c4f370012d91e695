"""A program of our own in a process of its own, spoken to over pipes by frames."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from calcgen_ray.errors import SandboxError
from calcgen_ray.judge.frames import receive, send

START_SECONDS = 120.0
CLOSE_SECONDS = 3.0  # to end by itself; then it is killed
PASSED_ON = ("PATH", "LD_LIBRARY_PATH")
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Program:
    """One `python -m module` in a temporary folder of its own. Not thread-safe.

    The module sends one frame when it is ready, then answers each frame with one.
    """

    def __init__(self, module: str, arguments: Iterable[str] = ()) -> None:
        self.module = module
        self.ready: dict[str, Any] = {}
        self.folder = tempfile.mkdtemp(prefix="calcgen-judge-")
        with open(self._log, "wb") as log:
            # subprocess starts it by vfork and exec: safe beside the threads of a Ray worker.
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd=self.folder,
                env=environment(self.folder),
                start_new_session=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests = self._process.stdin.fileno()
        self._answers = self._process.stdout.fileno()
        os.set_blocking(self._requests, False)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def _log(self) -> Path:
        return Path(self.folder, "server.log")

    def wait_ready(self) -> None:
        """Waits for its imports, which take a second or two; `ready` is then its first frame.

        Raises:
            SandboxError: it did not come up.
        """
        try:
            self.ready = receive(self._answers, time.monotonic() + START_SECONDS)
        except (OSError, EOFError, ValueError) as error:
            log = self._log.read_text(errors="replace") if self._log.exists() else ""
            last = (log.strip().splitlines() or [str(error)])[-1]
            self.close()
            raise SandboxError(
                f"{self.module} did not start: {last}; "
                f"run {sys.executable} -m {self.module} in an empty folder to see why"
            ) from error

    def exchange(self, message: Any, seconds: float) -> Any:
        """Its answer to a message.

        Raises:
            TimeoutError, OSError, EOFError, ValueError: none came; it is of no more use.
        """
        deadline = time.monotonic() + seconds
        send(self._requests, message, deadline)
        return receive(self._answers, deadline)

    def close(self, patience: float | None = None) -> None:
        """Ends it, reaps it and removes its folder. May be called again.

        `patience` is how many seconds it has to end by itself.
        """
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(timeout=CLOSE_SECONDS if patience is None else patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def environment(folder: str) -> dict[str, str]:
    """Nothing of the caller's environment but what the interpreter needs to find its modules."""
    package = Path(__file__).resolve().parents[2]
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    paths = [str(package), *map(os.path.abspath, given)]
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed | {
        **dict.fromkeys(ONE_THREAD, "1"),
        "HOME": folder,
        "TMPDIR": folder,
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": folder,
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUSERBASE": site.getuserbase(),
    }
