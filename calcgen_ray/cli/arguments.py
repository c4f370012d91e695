"""What several verbs take, and how a configuration is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calcgen_ray import settings
from calcgen_ray.config import Config

ConfigArg = Annotated[str, typer.Argument(help="A preset (`calcgen ls`) or a YAML file.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key.sub=value ...")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved plan, do nothing.")]
Json = Annotated[bool, typer.Option("--json", help="End with one JSON object on one line.")]
Source = Annotated[str, typer.Option("--from", help="A run, a folder, or an endpoint's URL.")]
Model = Annotated[str | None, typer.Option("--model", help="A folder, a hub id, or `embedded`.")]


def load(
    source: str, overrides: list[str] | None, model: str | None = None, default: str = "embedded"
) -> Config:
    """The configuration; `calcgen train optim.lr=1e-3` means the default preset."""
    values = list(overrides or [])
    if "=" in source and not Path(source).exists():
        source, values = default, [source, *values]
    if model is not None:
        values.append(f"model={model}")
    return settings.load(source, values)
