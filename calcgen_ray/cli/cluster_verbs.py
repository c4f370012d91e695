"""The verbs of a cluster's jobs: submit, jobs, logs, stop."""

from __future__ import annotations

from typing import Annotated

import typer

from calcgen_ray.cli.arguments import Json
from calcgen_ray.cli.screen import Screen

app = typer.Typer()
screen = Screen()

Address = Annotated[
    str | None,
    typer.Option(help="The head's dashboard, http://HEAD:8265; else RAY_API_SERVER_ADDRESS."),
]
Job = Annotated[str, typer.Argument(help="A job's id, as `calcgen jobs` lists it.")]


@app.command()
def submit(
    verb: Annotated[str, typer.Argument(help="train, tune, run, pretrain or eval.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(help="CONFIG key.sub=value ...; for eval, checkpoints in CONFIG's place."),
    ] = None,
    address: Address = None,
    config: Annotated[str | None, typer.Option(help="With eval: whose corpus is read.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check, list what would be uploaded, do nothing.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not follow what it prints.")] = False,
    include_ignored: Annotated[
        bool, typer.Option("--include-ignored", help="Upload what .gitignore hides, too.")
    ] = False,
    any_version: Annotated[
        bool, typer.Option("--any-version", help="Even if the cluster's versions are others.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a verb as a job on a cluster; asked again, it attaches to the same job."""
    from calcgen_ray.jobs import work

    asked = work.make(verb, words or [], config)  # what is wrong with it is said first
    from calcgen_ray.cli import submitting

    options = submitting.Options(
        dry_run=dry_run, ignored_too=include_ignored, any_version=any_version, detach=detach,
        json=json,
    )  # fmt: skip
    _leave(submitting.submit(screen, asked, address, options))


@app.command()
def jobs(address: Address = None, json: Json = False) -> None:
    """List a cluster's jobs."""
    from calcgen_ray.cli import submitting

    submitting.show_jobs(screen, address, json=json)


@app.command()
def logs(
    job: Job,
    address: Address = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until it is over.")] = False,
) -> None:
    """Show what a job printed."""
    from calcgen_ray.cli import submitting

    _leave(submitting.show_log(screen, job, address, follow=follow))


@app.command()
def stop(job: Job, address: Address = None) -> None:
    """End a job."""
    from calcgen_ray.cli import submitting

    submitting.stop(screen, job, address)


def _leave(code: int) -> None:
    if code:
        raise typer.Exit(code)
