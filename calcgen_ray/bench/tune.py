"""The default search against the full grid: how near it comes, for how many tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from calcgen_ray.config import Config
from calcgen_ray.tune.driver import tune


def bench_tune(
    search: Config,
    grid: Config,
    corpus: Path,
    begin: Callable[[str, Config], Callable[[Mapping[str, Any]], None]],
) -> dict[str, Any]:
    """Runs both in their folders; what is finished there is not run again.

    `begin` is called before each with its name, and gives who hears of its trials.

    `tokens_over_grid` are the search's training tokens over the grid's, `perplexity_over_grid` its
    best perplexity over the grid's.
    """
    found = {}
    for name, config in (("grid", grid), ("search", search)):
        folder = Path(config.run.storage) / config.run_name
        found[name] = tune(config, corpus, folder, begin(name, config))
    tokens = {name: sum(row.tokens for row in result.rows) for name, result in found.items()}
    best = {name: result.best.perplexity for name, result in found.items()}
    return {
        "grid_best_perplexity": round(best["grid"], 4),
        "search_best_perplexity": round(best["search"], 4),
        "perplexity_over_grid": round(best["search"] / best["grid"], 4),
        "tokens_over_grid": round(tokens["search"] / tokens["grid"], 4),
        "grid_trials": len(found["grid"].rows),
        "search_trials": len(found["search"].rows),
    }
