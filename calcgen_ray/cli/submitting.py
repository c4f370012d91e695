"""`calcgen submit`, `jobs`, `logs` and `stop`: work as jobs on a cluster, on the screen."""

from __future__ import annotations

import os
import platform
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import calcgen_ray
from calcgen_ray.cli import views
from calcgen_ray.cli.screen import Screen
from calcgen_ray.errors import ConfigError, JobError, ResourceError
from calcgen_ray.jobs import agreement, head, identity, output, paths, token, upload, work
from calcgen_ray.jobs.driver import Jobs, Known
from calcgen_ray.jobs.head import Head
from calcgen_ray.jobs.work import Work

SHOWN_FILES = 20
INTERRUPTED = 130
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What `calcgen submit` takes besides the work itself."""

    dry_run: bool = False
    ignored_too: bool = False
    any_version: bool = False
    detach: bool = False
    json: bool = False


def submit(screen: Screen, asked: Work, address: str | None, options: Options) -> int:
    """Checks, lists, uploads, follows; returns the exit code."""
    found = _ask(address)
    _check_versions(screen, found, any_version=options.any_version)
    here = Path.cwd()
    placed = paths.place(asked, here, same_machine=found.hosts == {platform.node()})
    cargo = upload.collect(placed.work.yaml, placed.travel, here, ignored_too=options.ignored_too)
    command = placed.work.entrypoint(None if options.any_version else calcgen_ray.__version__)
    _show_upload(screen, cargo)
    warnings = [*placed.warnings, *cargo.hidden]
    for warning in warnings:
        screen.say(f"warning: {warning}")
    upload.check(cargo)
    base = identity.submission_id(placed.work, upload.digest(cargo))
    screen.facts("job", {"id": base, "at": found.address, "command": command,
                         "storage": placed.work.config.run.storage})  # fmt: skip
    if options.dry_run:
        screen.say("dry run: nothing was submitted")
        if options.json:
            screen.json({"job": base, "entrypoint": command, "bytes": cargo.size,
                         "files": _files(cargo), "warnings": warnings})  # fmt: skip
        return 0
    if cargo.missing:
        raise ConfigError(cargo.missing)
    jobs = _jobs(found.address)
    job = _start(screen, jobs, placed.work, base, command, cargo)
    if options.detach and not job.over:
        screen.say(_how(job.ident, found.address))
        return 0
    return _attend(screen, jobs, job, json=options.json)


def show_jobs(screen: Screen, address: str | None, *, json: bool) -> None:
    """All jobs that were submitted to a cluster, the newest first."""
    found = _jobs(_ask(address).address).all()
    width = max((len(job.ident) for job in found), default=0)  # ids are copied: never cut or folded
    for job in found:
        screen.say(f"{job.ident:{width}}  {job.status:9}  {_clock(job.started)}  "
                   f"{_span(job.seconds):>8}")  # fmt: skip
    if not found:
        screen.say("no jobs")
    if json:
        screen.json({"jobs": [{"id": job.ident, "status": job.status, "started": job.started,
                               "ended": job.ended, "entrypoint": job.entrypoint}
                              for job in found]})  # fmt: skip


def show_log(screen: Screen, ident: str, address: str | None, *, follow: bool) -> int:
    """What a job has printed; with `follow`, until it is over, and then its exit code."""
    jobs = _jobs(_ask(address).address)
    job = jobs.get(ident)
    if follow:
        return _attend(screen, jobs, job, json=False, whole=True)
    screen.write(jobs.log(ident))
    return 0


def stop(screen: Screen, ident: str, address: str | None) -> None:
    """Ends a job that runs."""
    jobs = _jobs(_ask(address).address)
    if jobs.get(ident).over:
        return screen.say(f"{ident}: {jobs.get(ident).status} already; nothing to stop")
    job = jobs.stop(ident)
    if not job.over:
        raise JobError(f"{ident}: does not end ({job.status}); look at {jobs.address}")
    screen.say(f"{ident}: {job.status}; the same submit goes on from its last checkpoint")


def _ask(address: str | None) -> Head:
    url = head.address_of(address, os.environ)
    return head.ask(url, token.find(os.environ, Path.home()))


def _jobs(address: str) -> Jobs:
    return Jobs(address, token.find(os.environ, Path.home()))


def _check_versions(screen: Screen, found: Head, *, any_version: bool) -> None:
    mine = {"Ray": version("ray"), "Python": platform.python_version()}
    wrong = agreement.disagreements(mine, found.versions)
    if wrong and not any_version:
        raise ResourceError(
            f"{found.address}: {'; '.join(wrong)}; install the same on both, or submit with "
            "--any-version"
        )
    for note in [*wrong, *agreement.notes(mine, found.versions)]:
        screen.say(f"warning: {note}")


def _start(
    screen: Screen, jobs: Jobs, asked: Work, base: str, command: str, cargo: upload.Upload
) -> Known:
    """The job of that id: the one that is there, or a new one."""
    mark = {"calcgen_verb": asked.verb, "calcgen_run": asked.config.run_name,
            "calcgen_version": calcgen_ray.__version__}  # fmt: skip
    for _ in range(ATTEMPTS):  # somebody may ask for the same at the same time
        attempt = identity.attempt(base, {job.ident: job.status for job in jobs.all()})
        if attempt.there:
            job = jobs.get(attempt.ident)
            screen.say(f"{job.ident}: {job.status} already, so nothing is submitted; another "
                       "run.name is another job")  # fmt: skip
            return job
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / "job.zip"
            upload.pack(cargo, package)
            if jobs.submit(attempt.ident, command, package, mark):
                screen.say(f"submitted {attempt.ident}")
                return jobs.get(attempt.ident)
    raise JobError(f"{base}: others take its ids; look at `calcgen jobs`, or change run.name")


def _attend(screen: Screen, jobs: Jobs, job: Known, *, json: bool, whole: bool = False) -> int:
    """Follows a job to its end and shows what came of it."""
    if job.over and not whole:
        heard = output.read(jobs.log(job.ident))
        if job.status == "SUCCEEDED":
            _show_result(screen, job, heard)
    else:
        heard = output.Output()
        try:
            for piece in jobs.follow(job.ident):
                screen.write(heard.feed(piece))
            screen.write(heard.end())
        except KeyboardInterrupt:
            screen.say(f"\ndetached; {job.ident} goes on. {_how(job.ident, jobs.address)}")
            return INTERRUPTED
    return _conclude(screen, jobs, jobs.get(job.ident), heard, json=json)


def _conclude(screen: Screen, jobs: Jobs, job: Known, heard: output.Output, *, json: bool) -> int:
    if job.status != "SUCCEEDED":
        raise JobError(_failure(job, heard, jobs.address))
    screen.say(f"{job.ident}: {job.status} in {_span(job.seconds)}")
    if json:
        screen.json({"job": job.ident, "status": job.status, "result": heard.result})
    return 0


def _failure(job: Known, heard: output.Output, address: str) -> str:
    if job.status == "STOPPED":
        return f"{job.ident}: was stopped; the same submit goes on from its last checkpoint"
    said = heard.last if "Running entrypoint" not in heard.last else ""
    reason = (said or next(iter(job.message.splitlines()), "it said nothing")).strip()
    reason = reason.removeprefix("error: ")
    if "No module named calcgen_ray" in reason:
        reason += ": this calcgen-ray must be installed on the nodes (cluster/Dockerfile)"
    return (
        f"{job.ident}: failed: {reason[:500]} [all of it: calcgen logs {job.ident} --address "
        f"{address}]"
    )


def _show_result(screen: Screen, job: Known, heard: output.Output) -> None:
    """The table that the job printed, drawn again from the JSON that it ended with."""
    found, verb = heard.result or {}, job.metadata.get("calcgen_verb", "")
    try:
        _show_table(screen, verb, found)
    except (KeyError, TypeError, ValueError, AttributeError):  # of another version
        screen.json(found)


def _show_table(screen: Screen, verb: str, found: Mapping[str, Any]) -> None:
    if verb == "run":
        views.show_summary(screen, found)
    elif verb == "tune":
        views.show_trials(screen, found["rows"], Path(found["table"]))
    elif verb == "eval":
        views.show_evaluation(screen, found["checkpoints"])
    else:
        plain = {k: v for k, v in found.items() if not isinstance(v, dict | list)}
        views.show_training(screen, plain)


def _show_upload(screen: Screen, cargo: upload.Upload) -> None:
    rows = [{"part": part, "files": count, "size": _size(size)}
            for part, count, size in cargo.rows()]  # fmt: skip
    total = {"part": "all", "files": len(cargo.files) + 1, "size": _size(cargo.size)}
    screen.table("upload", [*rows, total] if cargo.files else rows)
    largest = sorted(cargo.files, key=lambda file: -file.size)[:SHOWN_FILES]
    for file in largest:
        screen.say(f"  {_size(file.size):>10}  {file.name}")
    if more := len(cargo.files) - len(largest):
        screen.say(f"  and {more} smaller ones")


def _files(cargo: upload.Upload) -> list[dict[str, Any]]:
    config = {"name": work.CONFIG, "bytes": len(cargo.config.encode())}
    return [config, *({"name": file.name, "bytes": file.size} for file in cargo.files)]


def _how(ident: str, address: str) -> str:
    where = f"{shlex.quote(ident)} --address {address}"
    return f"Follow it: calcgen logs {where} --follow; end it: calcgen stop {where}"


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 1024:,.1f} KiB"


def _clock(seconds: float | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{seconds:.1f} s"
