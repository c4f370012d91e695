"""`python -m calcgen_ray.local_cluster up|down|status`. Exit codes: 0 good, 1 not whole, 2 bad."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from calcgen_ray.errors import CalcgenError
from calcgen_ray.local_cluster import lifecycle, state
from calcgen_ray.local_cluster.plan import DEFAULT_PORT, Plan
from calcgen_ray.local_cluster.state import State

FOLDER = Path("runs/cluster")


def parser() -> argparse.ArgumentParser:
    verbs = argparse.ArgumentParser(prog="calcgen_ray.local_cluster", description=__doc__)
    verbs.add_argument("verb", choices=("up", "down", "status"))
    verbs.add_argument("--folder", type=Path, default=FOLDER, help="state, token, logs")
    verbs.add_argument("--workers", type=int, default=2, help="nodes beside the head")
    verbs.add_argument("--cpus", type=int, default=1, help="CPUs of each worker; the head has none")
    verbs.add_argument("--port", type=int, default=DEFAULT_PORT, help="the first of its ports")
    verbs.add_argument("--no-token", action="store_true", help="let everybody in")
    verbs.add_argument("--seconds", type=float, default=lifecycle.START_SECONDS,
                       help="how long it may take to start")  # fmt: skip
    return verbs


def describe(folder: Path, running: State) -> str:
    """Where it is, which nodes are alive, how to use it and how to end it."""
    plan, alive = running.plan, lifecycle.live_nodes(running)
    variables = " ".join(f"{k}={shlex.quote(v)}" for k, v in running.variables.items())
    where = "" if folder == FOLDER else f" --folder {shlex.quote(str(folder))}"
    rows = {
        "nodes": f"{len(alive)} of {len(plan.names)} alive ({', '.join(alive) or 'none'})",
        "address": plan.address,
        "dashboard": plan.dashboard,
        "token": str(running.token) if running.token else "none: open to all who reach it",
        "connect": f"export {variables}",
        "submit": f"calcgen submit train embedded --address {plan.dashboard}",
        "stop": f"python -m calcgen_ray.local_cluster down{where}",
    }  # fmt: skip
    return "\n".join(f"{name:<10} {value}" for name, value in rows.items())


def run(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    if options.verb == "down":
        ended = lifecycle.down(folder)
        print(f"{folder}: {'ended' if ended else 'no cluster there'}")
        return 0
    if options.verb == "up":
        plan = Plan(options.workers, options.cpus, options.port)
        running = lifecycle.up(folder, plan, token=not options.no_token, seconds=options.seconds)
    elif (found := state.read(folder)) is None:
        print(f"{folder}: no cluster there; start one with up")
        return 1
    else:
        running = found
    print(describe(folder, running))
    whole = len(running.alive) == len(running.plan.names)
    return 0 if whole or options.verb == "up" else 1


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code; an error is one line."""
    try:
        return run(parser().parse_args(arguments))
    except CalcgenError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
