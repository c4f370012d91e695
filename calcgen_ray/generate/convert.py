"""A checkpoint into CTranslate2's own format, once, at promotion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from calcgen_ray.errors import CheckpointError, InputError, ModelError
from calcgen_ray.generate.quiet import quiet
from calcgen_ray.model.loading import check_folder

ENGINE_FOLDER = "engine-int8"
"""Where a registry entry keeps its converted weights."""

_UNKNOWN = (AttributeError, KeyError, NotImplementedError, TypeError, ValueError)
"""What the converter raises over a model that it does not know, or knows from other versions."""


def to_ctranslate2(checkpoint: Path, target: Path, quantization: str = "int8") -> None:
    """Writes `target`: config.json, model.bin, vocabulary.json; loads it once to be sure.

    Args:
        quantization: int8, float16, float32 or another type that CTranslate2 stores.

    Raises:
        CheckpointError: `checkpoint` is damaged, or its conversion does not compute.
        ModelError: an architecture that CTranslate2 does not know.
        InputError: `target` is there already.
    """
    check_folder(checkpoint)
    _check_index(checkpoint)
    if target.exists():
        raise InputError(f"{target}: is there already; choose another folder or delete it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with quiet():
        try:
            _converter(checkpoint).convert(str(target), quantization=quantization)
        except _UNKNOWN as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ModelError(
                f"{checkpoint}: CTranslate2 does not convert it ({reason[:120]}); "
                "the endpoint serves CodeGen and what else CTranslate2 reads"
            ) from None
    _check(target)


def vocabulary(target: Path) -> list[str]:
    """Tokens of a converted model by id, padded rows included."""
    tokens: list[str] = json.loads((target / "vocabulary.json").read_text("utf-8"))
    return tokens


def _check_index(checkpoint: Path) -> None:
    """Refuses an index that takes weights from anywhere but the folder itself."""
    for path in checkpoint.glob("*.index.json"):
        try:
            names = set(json.loads(path.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise CheckpointError(f"{path}: damaged; copy the checkpoint again") from None
        for name in names:
            if Path(str(name)).name != name:
                raise CheckpointError(f"{path}: {name!r} is no file of this folder")


def _converter(checkpoint: Path) -> Any:
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):
        def load_model(self, model_class: Any, path: str, **options: Any) -> Any:
            model = super().load_model(model_class, path, **options)
            # With a head_dim of 128 or 256 the converter would take codegen2's eight shards, while
            # transformers computes with four whatever the config says.
            if model.config.model_type == "codegen":
                model.config.__dict__.pop("head_dim", None)
            return model

    return Converter(str(checkpoint))


def _check(target: Path) -> None:
    import ctranslate2

    try:
        generator = ctranslate2.Generator(str(target), device="cpu", intra_threads=1)
        logits = np.asarray(generator.forward_batch([vocabulary(target)[:2]]))
        del generator
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{target}: converted, but does not load: {reason[:200]}") from None
    if not np.isfinite(logits).all():
        raise CheckpointError(f"{target}: converted, but its logits are not finite numbers")
