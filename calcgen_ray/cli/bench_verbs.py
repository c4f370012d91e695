"""The verbs of `calcgen bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calcgen_ray.cli.arguments import ConfigArg, Json, Overrides, load
from calcgen_ray.cli.screen import Screen

app = typer.Typer(help="Measure ratios on this machine.", no_args_is_help=True)
screen = Screen()


@app.command("train")
def bench_train(
    config: ConfigArg = "embedded", overrides: Overrides = None, json: Json = False
) -> None:
    """Useful tokens a second: packed rows over padded ones."""
    from calcgen_ray.cli import benches

    benches.train(screen, load(config, overrides), json=json)


@app.command("judge")
def bench_judge(
    config: ConfigArg = "embedded", overrides: Overrides = None, json: Json = False
) -> None:
    """Verdicts a second, and what one costs beside the code's own time."""
    from calcgen_ray.cli import benches

    benches.judge(screen, load(config, overrides), json=json)


@app.command("tune")
def bench_tune(
    search: ConfigArg = "tune_configs/asha.yaml",
    grid: Annotated[
        str, typer.Argument(help="The grid to compare with.")
    ] = "tune_configs/grid.yaml",
    overrides: Overrides = None,
    json: Json = False,
) -> None:
    """A search's best perplexity and tokens over the full grid's."""
    from calcgen_ray.cli import benches

    benches.tune(screen, load(search, overrides), load(grid, overrides), json=json)


@app.command("trial")
def bench_trial(
    config: ConfigArg = "tune_configs/smoke.yaml", overrides: Overrides = None, json: Json = False
) -> None:
    """Seconds to a search's first step, and what a trial takes beyond its training."""
    from calcgen_ray.cli import benches

    benches.trial(screen, load(config, overrides), json=json)


@app.command("scale")
def bench_scale(
    config: ConfigArg = "embedded",
    overrides: Overrides = None,
    small: Annotated[bool, typer.Option("--small", help="Leave CodeGen-350M out.")] = False,
    json: Json = False,
) -> None:
    """Two workers over one, and Ray's cost over plain torchrun."""
    from calcgen_ray.cli import benches

    benches.scale(screen, load(config, overrides), large=not small, json=json)


@app.command("serve")
def bench_serve(
    target: Annotated[str, typer.Argument(help="A run, a folder, or `embedded`.")] = "embedded",
    storage: Annotated[str, typer.Option("--storage", help="Where runs lie.")] = "runs",
    port: Annotated[int, typer.Option(help="Of the endpoint that is measured.")] = 8100,
    json: Json = False,
) -> None:
    """The endpoint's tokens a second and latency over the engine's, and over transformers'."""
    from calcgen_ray.cli import benches

    benches.serve(screen, target, Path(storage), port, json=json)
