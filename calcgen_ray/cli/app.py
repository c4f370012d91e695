"""The verbs: `calcgen VERB [CONFIG] [key.sub=value ...]`.

Exit codes: 0 good, 1 the run failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from calcgen_ray import settings
from calcgen_ray.cli import bench_verbs, cluster_verbs, views
from calcgen_ray.cli.arguments import ConfigArg, DryRun, Json, Model, Overrides, Source, load
from calcgen_ray.cli.screen import Screen
from calcgen_ray.errors import CalcgenError, ConfigError

app = typer.Typer(
    name="calcgen",
    help="Fine-tune CodeGen on calculus code, search its hyperparameters, serve the best.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
corpus_app = typer.Typer(help="Build and look at a corpus.", no_args_is_help=True)
app.add_typer(corpus_app, name="corpus")
app.add_typer(bench_verbs.app, name="bench")
app.add_typer(cluster_verbs.app)
screen = Screen()


@app.command()
def run(
    config: ConfigArg = "embedded",
    overrides: Overrides = None,
    model: Model = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the first completion.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """The main job: corpus, train, tune, promote, serve, and one completion."""
    from calcgen_ray.cli import jobs

    resolved = load(config, overrides, model)
    if dry_run:
        return views.show_plan(screen, resolved)
    jobs.run(screen, resolved, once=once, json=json)


@app.command()
def train(
    config: ConfigArg = "embedded",
    overrides: Overrides = None,
    model: Model = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Fine-tune with Ray Train; the same command goes on where it was interrupted."""
    from calcgen_ray.cli import jobs

    resolved = load(config, overrides, model)
    if dry_run:
        return views.show_plan(screen, resolved)
    jobs.train(screen, resolved, json=json)


@app.command()
def pretrain(
    config: ConfigArg = "base",
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to put the base when it is made.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make a base from random weights: tokenizer, training with Ray Train, model card."""
    from calcgen_ray.cli import jobs

    resolved = load(config, overrides, default="base")
    if dry_run:
        return views.show_plan(screen, resolved)
    jobs.pretrain(screen, resolved, out, json=json)


@app.command()
def tune(
    config: ConfigArg = "tune_configs/smoke.yaml",
    overrides: Overrides = None,
    model: Model = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Search hyperparameters with Ray Tune, ranked by perplexity."""
    from calcgen_ray.cli import jobs

    resolved = load(config, overrides, model)
    if dry_run:
        views.show_plan(screen, resolved)
        return views.show_search_plan(screen, resolved)
    jobs.tune(screen, resolved, json=json)


@corpus_app.command("build")
def corpus_build(
    config: ConfigArg = "embedded",
    overrides: Overrides = None,
    folders: Annotated[
        list[str] | None, typer.Option("--from", help="A folder of .ipynb, .py and .md files.")
    ] = None,
    json: Json = False,
) -> None:
    """Read the sources, run every cell, split, and write Parquet and a manifest."""
    from calcgen_ray.cli import jobs

    resolved = load(config, overrides)
    if folders:
        resolved = settings.replace(resolved, {"corpus.folders": folders})
    jobs.corpus(screen, resolved, json=json)


@corpus_app.command("tokenizer")
def corpus_tokenizer(
    out: Annotated[Path, typer.Argument(help="Folder for the tokenizer's files.")],
    config: ConfigArg = "embedded",
    overrides: Overrides = None,
    vocab_size: Annotated[int, typer.Option(help="Entries, 300 or more.")] = 4096,
) -> None:
    """Train a byte-level BPE tokenizer on a corpus's training cells."""
    from calcgen_ray.cli import jobs

    jobs.tokenizer(screen, load(config, overrides), out, vocab_size)


@corpus_app.command("calcbench")
def corpus_calcbench(
    out: Annotated[Path, typer.Argument(help="Folder for its two files, JSON lines.")],
) -> None:
    """Make the benchmark anew, to see that it is the frozen one."""
    from calcgen_ray.cli import jobs

    jobs.calcbench(screen, out)


@app.command("eval")
def evaluate(
    checkpoints: Annotated[
        list[str], typer.Argument(help="Runs' names, folders or `embedded`; then key.sub=value.")
    ],
    config: Annotated[str, typer.Option("--config", help="Whose corpus is read.")] = "embedded",
    corpus: Annotated[Path | None, typer.Option("--corpus", help="A built corpus.")] = None,
    storage: Annotated[str, typer.Option("--storage", help="Where runs lie.")] = "runs",
    json: Json = False,
) -> None:
    """Measure checkpoints side by side: calcbench, judged, and perplexity on held-out cells."""
    from calcgen_ray.cli import jobs

    targets = [name for name in checkpoints if "=" not in name or Path(name).exists()]
    if not targets:
        raise ConfigError(f"no checkpoint in {' '.join(checkpoints)}: name a run or a folder first")
    overrides = [f"run.storage={storage}", *(name for name in checkpoints if name not in targets)]
    jobs.evaluate(screen, load(config, overrides), targets, corpus, json=json)


@app.command()
def promote(
    target: Annotated[str, typer.Argument(help="A run's name or a folder.")],
    storage: Annotated[str, typer.Option("--storage", help="Where runs lie.")] = "runs",
) -> None:
    """Copy a verified checkpoint into the registry; `calcgen serve` deploys it."""
    from calcgen_ray.cli import jobs

    jobs.promote(screen, target, Path(storage))


@app.command()
def rollback(
    storage: Annotated[str, typer.Option("--storage", help="Where runs lie.")] = "runs",
) -> None:
    """Make live what was promoted before."""
    from calcgen_ray.cli import jobs

    jobs.rollback(screen, Path(storage))


@app.command()
def serve(
    config: ConfigArg = "embedded",
    overrides: Overrides = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when it answers.")] = False,
) -> None:
    """Deploy the promoted checkpoint with Ray Serve, until Ctrl-C."""
    from calcgen_ray.cli import jobs

    jobs.serve(screen, load(config, overrides), once=once)


@app.command()
def sample(
    prompt: Annotated[
        str | None, typer.Argument(help="A problem in words; left out, they are asked for.")
    ] = None,
    target: Source = "http://127.0.0.1:8000",
    storage: Annotated[str, typer.Option("--storage", help="Where runs lie.")] = "runs",
    max_tokens: Annotated[int, typer.Option(help="Longest completion, in tokens.")] = 128,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.7,
    top_p: Annotated[float, typer.Option(help="Nucleus: the smallest set of this mass.")] = 0.95,
    n: Annotated[int, typer.Option("-n", help="Completions.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Same seed, same text.")] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="The endpoint's file of keys.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Take the prompt as code, as it is.")] = False,
) -> None:
    """Complete a prompt with a checkpoint or an endpoint; without one, a prompt a line."""
    from calcgen_ray.cli import sampling

    sampling.sample(screen, prompt, target, Path(storage), keys, raw=raw, max_tokens=max_tokens,
                    temperature=temperature, top_p=top_p, n=n, seed=seed)  # fmt: skip


@app.command("ls")
def list_presets() -> None:
    """List the presets that ship with the package."""
    screen.table("presets", [{"name": k, "what it is": v} for k, v in settings.presets().items()])


@app.command()
def validate(config: ConfigArg, overrides: Overrides = None) -> None:
    """Check a configuration and say what is wrong with it."""
    resolved = load(config, overrides)
    screen.say(f"{config}: good; run name {resolved.run_name}")


@app.command()
def doctor(
    storage: Annotated[str, typer.Option("--storage", help="Where runs lie.")] = "runs",
    json: Json = False,
) -> None:
    """Say what this machine and installation have: what a bug report needs."""
    views.show_doctor(screen, storage, json=json)


STORAGE = {
    errno.EACCES, errno.EDQUOT, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS, errno.ESTALE,
}  # fmt: skip
"""What a file system says that is full, read-only, not there, or not ours to write."""
INTERRUPTED = "interrupted; the same command goes on from the last checkpoint"


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    try:
        code: Any = app(arguments, standalone_mode=False)
        verb = (sys.argv[1:] if arguments is None else arguments)[:1]
        if code == 130 and verb not in (["submit"], ["logs"]):  # they say themselves what goes on
            screen.fail(INTERRUPTED)
        return int(code or 0)
    except CalcgenError as error:
        screen.fail(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        screen.fail(INTERRUPTED)
        return 130
    except BrokenPipeError:
        return 0
    except OSError as error:
        if error.errno not in STORAGE:
            raise
        screen.fail(f"{error.filename or 'storage'}: {error.strerror}; mend that and run it again")
        return 1
    except typer.Exit as done:
        return done.exit_code
    except Exception as error:
        message = getattr(error, "format_message", None)  # click's usage errors
        if message is None:
            raise
        screen.fail(str(ConfigError(message())))
        return 2


def entry() -> None:
    sys.exit(main())
