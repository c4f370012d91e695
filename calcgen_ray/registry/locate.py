"""From what a person types to a checkpoint folder."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from calcgen_ray.errors import CheckpointError
from calcgen_ray.model import checkpoint as checkpoints
from calcgen_ray.storage import fetch, is_bucket

CHECKPOINTS = "checkpoints"


def find_checkpoint(target: str, storage: Path) -> Path:
    """The checkpoint folder that `target` means.

    Args:
        target: a folder (of a run, of a search, a checkpoint, a registry entry), or the name of a
            run or registry entry under `storage`. Of a run, its search's trials included but for
            those that diverged, the checkpoint with the lowest perplexity is taken, else the
            newest. A URI is a run's or a checkpoint's folder in a bucket, which is brought here.

    Raises:
        CheckpointError: one line: what was looked for, where, and near names.
        ResourceError: the bucket does not answer.
    """
    if is_bucket(target):
        target = str(fetch(target))
    places = [Path(target).expanduser()]
    if target and not places[0].is_absolute():
        places += [storage / target, storage / "registry" / "models" / target]
    for place in places:
        if not place.is_dir():
            continue
        if (place / "config.json").is_file():
            return place
        found = _of_run(place)
        if found is not None:
            return found
    raise CheckpointError(_miss(target, places, storage))


def _of_run(folder: Path) -> Path | None:
    roots = [root for root in _roots(folder) if any(root.glob(f"{checkpoints.PREFIX}*"))]
    ranked = [found for root in roots if (found := checkpoints.best(root)) is not None]
    if ranked:
        return min(ranked, key=lambda found: found.metrics["perplexity"]).path
    newest = (checkpoints.latest(root) for root in roots)
    return next((found.path for found in newest if found is not None), None)


def _roots(folder: Path) -> list[Path]:
    trials = [*folder.glob(f"tune/trials/*/{CHECKPOINTS}"), *folder.glob(f"trials/*/{CHECKPOINTS}")]
    good = [root for root in sorted(trials) if not _diverged(root.parent)]
    return [folder / CHECKPOINTS, folder, *good]


def _diverged(trial: Path) -> bool:
    """What the search wrote into its trial's folder; it ranks those that diverged last."""
    try:
        return bool(json.loads((trial / "trial.json").read_text("utf-8"))["state"] == "diverged")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _miss(target: str, places: list[Path], storage: Path) -> str:
    there = [place for place in places if place.exists()]
    if there:
        return (
            f"{there[0]}: holds neither config.json nor a finished {CHECKPOINTS}/step-*; "
            "name a run, a run's folder or a checkpoint folder"
        )
    names = _names(storage)
    near = difflib.get_close_matches(target, names, n=3, cutoff=0.5) or names[:3]
    hint = f"did you mean {' or '.join(near)}?" if near else f"{storage} holds no run yet"
    return (
        f"no checkpoint {target!r}: no such folder, no run or registry entry in {storage}; {hint}"
    )


def _names(storage: Path) -> list[str]:
    runs = [p.parent.name for p in storage.glob(f"[!.]*/{CHECKPOINTS}")]
    entries = [p.parent.name for p in storage.glob("registry/models/[!.]*/config.json")]
    return sorted({*runs, *entries})
