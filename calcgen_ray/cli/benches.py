"""What each `calcgen bench` measures, on the screen."""

from __future__ import annotations

from pathlib import Path

from calcgen_ray import cluster, pipeline
from calcgen_ray.cli.jobs import LOG
from calcgen_ray.cli.screen import Screen
from calcgen_ray.cli.search import SearchView
from calcgen_ray.config import Config
from calcgen_ray.corpus import store
from calcgen_ray.corpus.build import build
from calcgen_ray.errors import ConfigError


def judge(screen: Screen, config: Config, *, json: bool) -> None:
    from calcgen_ray.bench.judge import bench_judge as measure

    found = measure(config.judge)
    screen.facts("judging", {k: f"{v:,.2f}" if isinstance(v, float) else v
                             for k, v in found.items()})  # fmt: skip
    if json:
        screen.json(found)


def tune(screen: Screen, search: Config, grid: Config, *, json: bool) -> None:
    from calcgen_ray.bench.tune import bench_tune as measure
    from calcgen_ray.report.search import plot_race, plot_search
    from calcgen_ray.tune import table

    if table.differing(search, grid):
        raise ConfigError(
            f"bench tune compares searches of one training, but these differ in "
            f"{', '.join(table.differing(search, grid))}; take the same base for both"
        )
    with screen.quiet(pipeline.run_folder(search) / LOG):
        try:
            with screen.progress():
                corpus = build(grid, screen.advance)
            view = SearchView(screen, table.count(grid), pipeline.run_folder(grid))

            def begin(name: str, config: Config) -> SearchView:
                screen.say(f"{name}: {config.run_name}")
                view.begin(table.count(config), pipeline.run_folder(config))
                return view

            with screen.live(view.table):
                found = measure(search, grid, corpus, begin)
        finally:
            cluster.disconnect()
        plots = [
            path for one in (search, grid) for path in plot_search(one, pipeline.run_folder(one))
        ]
        folders = {"search": pipeline.run_folder(search), "grid": pipeline.run_folder(grid)}
        plots.append(plot_race(folders["search"] / "search_and_grid.png", folders))
        screen.facts("search and grid", found)
        screen.say(f"plots: {', '.join(str(path) for path in plots)}")
        if json:
            screen.json(found)


def trial(screen: Screen, config: Config, *, json: bool) -> None:
    from calcgen_ray.bench.trial import bench_trial as measure

    found = measure(config)
    screen.facts("a trial beside the same training alone", found)
    if json:
        screen.json(found)


def serve(screen: Screen, target: str, storage: Path, port: int, *, json: bool) -> None:
    from calcgen_ray.bench.serve import bench_serve as measure
    from calcgen_ray.evaluate.subject import find_folder

    folder = find_folder(target, storage)
    with screen.quiet(storage / "bench-serve" / LOG):
        try:
            found = measure(folder, port)
        finally:
            cluster.disconnect()
    shares = [{"where": k, "ms": f"{v:.2f}"} for k, v in found["shares_ms"].items()]
    screen.table("a short completion", shares)
    screen.facts("serving", {k: v for k, v in found.items() if k != "shares_ms"})
    if json:
        screen.json(found)


def train(screen: Screen, config: Config, *, json: bool) -> None:
    from calcgen_ray.bench.train import bench_train as measure

    with screen.progress():
        folder = build(config, screen.advance)
    found = measure([record.text for record in store.read(folder, "train")], config)
    speeds = found["useful_tokens_per_s"]
    screen.table("training, useful tokens a second, one thread",
                 [{"variant": k, "tokens/s": v} for k, v in speeds.items()])  # fmt: skip
    screen.facts("ratios", {k: v for k, v in found.items() if k != "useful_tokens_per_s"})
    if json:
        screen.json(found)


def scale(screen: Screen, config: Config, *, large: bool, json: bool) -> None:
    from calcgen_ray.bench.scale import bench_scale as measure

    with screen.progress():
        corpus = build(config, screen.advance)
    found = measure(config, corpus, screen.say, large)
    screen.facts("scaling", {k: v for k, v in found.items() if k != "arms"})
    screen.table("arms", [{"arm": name, **figures} for name, figures in found["arms"].items()])
    if json:
        screen.json(found)
