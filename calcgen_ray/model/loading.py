"""A model by name: `embedded`, `embedded-random`, a folder, or a hub id."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from calcgen_ray.errors import CheckpointError, ModelError
from calcgen_ray.model.tokenizer import load_tokenizer

EMBEDDED = "embedded"
EMBEDDED_RANDOM = "embedded-random"


def embedded_folder() -> Path:
    """Folder of the model that ships with the package."""
    with as_file(files("calcgen_ray.model") / "embedded") as path:
        return Path(path)


def load_model(name: str, revision: str | None = None, seed: int = 0) -> Any:
    """A causal language model in float32.

    Args:
        name: `embedded` (the base that ships with the package), `embedded-random` (the same with
            weights drawn from `seed`), a `save_pretrained` folder or a hub id.
        revision: branch, tag or commit of a hub id.

    Raises:
        ModelError: nothing of that name can be reached.
        CheckpointError: a folder whose weights are missing, cut off, or need foreign code.
    """
    import torch
    from transformers import AutoModelForCausalLM

    if name == EMBEDDED_RANDOM:
        return random_model(embedded_folder(), seed)
    folder = embedded_folder() if name == EMBEDDED else Path(name).expanduser()
    if folder.exists():
        check_folder(folder)
        source, hub = str(folder), {}
    else:
        source, hub = name, {"revision": revision}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True, **hub
        )
    except Exception as error:
        raise _explain(name, folder, error) from None
    return model


def load_model_tokenizer(name: str, revision: str | None = None) -> Any:
    """The tokenizer that belongs to `load_model(name)`.

    Raises:
        ModelError: nothing of that name can be reached, or its round trip fails.
    """
    if name in (EMBEDDED, EMBEDDED_RANDOM):
        return load_tokenizer(embedded_folder())
    folder = Path(name).expanduser()
    if folder.exists():
        return load_tokenizer(folder)
    try:
        return load_tokenizer(name, revision=revision)
    except ModelError:
        raise _unreachable(name) from None


def check_folder(folder: Path) -> None:
    """Refuses a folder that is no checkpoint, is cut off, or would run code of its own.

    Raises:
        CheckpointError: one line that names the file and what is wrong with it.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: is a file; a checkpoint folder is needed")
    config = folder / "config.json"
    if not config.is_file():
        raise CheckpointError(f"{folder}: holds no config.json; is it a save_pretrained folder?")
    try:
        values = json.loads(config.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise CheckpointError(f"{config}: not JSON; copy the checkpoint again") from None
    if "auto_map" in values:
        raise CheckpointError(f"{config}: auto_map asks for code of its own, which is never run")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise CheckpointError(f"{folder}: holds no .safetensors file; other formats are not read")
    for path in weights:
        check_safetensors(path)


def check_safetensors(path: Path) -> None:
    """Compares a safetensors file's length with what its header promises.

    Raises:
        CheckpointError: a Git LFS pointer, a damaged header, or a file that is cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(8)
        if head == b"version ":
            raise CheckpointError(f"{path}: a Git LFS pointer, not weights; run `git lfs pull`")
        length = int.from_bytes(head, "little")
        if len(head) < 8 or length > min(size - 8, 100_000_000):
            raise CheckpointError(f"{path}: cut off: {size} bytes are less than its header")
        try:
            header = json.loads(stream.read(length))
            ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise CheckpointError(f"{path}: damaged header; copy the checkpoint again") from None
    wanted = 8 + length + max(ends, default=0)
    if size != wanted:
        raise CheckpointError(f"{path}: cut off: {size:,} of {wanted:,} bytes")


def random_model(folder: Path, seed: int) -> Any:
    """A model of a folder's config.json with weights drawn from `seed`, in float32."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(folder))
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    torch.set_rng_state(state)
    return model


def _explain(name: str, folder: Path, error: Exception) -> Exception:
    if folder.exists():
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return CheckpointError(f"{name}: weights could not be loaded: {lines[0]}")
    return _unreachable(name)


def _unreachable(name: str) -> ModelError:
    return ModelError(
        f"model {name!r} is not a folder and the hub did not give it (offline, or no such id); "
        "use model=embedded, or model=PATH of a downloaded copy"
    )
