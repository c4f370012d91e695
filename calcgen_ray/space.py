"""A search space: what each dotted key of the configuration may be drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

Law = Literal["log_uniform", "uniform", "int_uniform", "choice"]
LAWS: tuple[Law, ...] = ("log_uniform", "uniform", "int_uniform", "choice")


def _checked(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) != 1 or next(iter(value)) not in LAWS:
        raise ValueError(f"one of {', '.join(LAWS)} is needed, for example choice: [1, 2]")
    law, values = next(iter(value.items()))
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(f"{law} needs a list of values")
    if law != "choice":
        _check_interval(law, values)
    return {law: tuple(values)}


def _check_interval(law: str, values: Any) -> None:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(values) != 2 or len(numbers) != 2 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{law} needs two finite numbers, [low, high]")
    low, high = values
    if low >= high:
        raise ValueError(f"{law}: low {low} must be less than high {high}")
    if law == "log_uniform" and low <= 0:
        raise ValueError(f"log_uniform: low {low} must be more than 0")
    if law == "int_uniform" and not all(isinstance(v, int) for v in values):
        raise ValueError("int_uniform needs two whole numbers")


Distribution = Annotated[dict[str, Any], AfterValidator(_checked)]
"""`{law: values}`: log_uniform, uniform, int_uniform (low, high) or choice (values)."""


def check_space(space: Mapping[str, Distribution], tree: Mapping[str, Any]) -> None:
    """Every key must name a value of the configuration.

    Raises:
        ValueError: an empty space, or a key that is not in `tree`.
    """
    if not space:
        raise ValueError("tune.space: empty; name at least one key, for example optim.lr")
    for key in space:
        node: Any = tree
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                raise ValueError(f"tune.space: unknown key {key!r}; use a dotted key, as optim.lr")
            node = node[part]
        if isinstance(node, Mapping):
            raise ValueError(f"tune.space: {key!r} is a section, not a value")
