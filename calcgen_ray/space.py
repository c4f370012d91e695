"""A search space: what each dotted key of the configuration may be drawn from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ValidationError

Law = Literal["log_uniform", "uniform", "int_uniform", "choice"]
LAWS: tuple[Law, ...] = ("log_uniform", "uniform", "int_uniform", "choice")
REAL = ("log_uniform", "uniform")


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


SECTIONS = ("optim.", "train.")
FIXED = ("train.valid_cells", "train.eval_steps", "train.log_steps", "train.keep_checkpoints",
         "train.checkpoint_steps")  # fmt: skip
"""They change no weight, only what is scored and what is kept of it."""
SCORED_TOKENS = 512
"""Validation cells are scored up to so many tokens, or to train.block_size where that is more."""
MOST_POINTS = 10_000


def check_space(
    space: Mapping[str, Distribution],
    tree: Mapping[str, Any],
    build: Callable[[Mapping[str, Any]], object],
) -> None:
    """Every key must name a value that may be searched, and each of its values must be allowed.

    Args:
        tree: the configuration's plain values.
        build: makes a configuration of such a tree, without its space being checked.

    Raises:
        ValueError: one line: the key, the value and what is allowed.
    """
    if not space:
        raise ValueError("tune.space: empty; name at least one key, for example optim.lr")
    for key in space:
        _check_key(key, tree)
    start = {key: _extremes(law)[0] for key, law in space.items()}
    for key, law in space.items():
        for value in _extremes(law):
            _check_point(key, {**start, key: value}, law, tree, build)
    _check_rows(space, tree, build)


def check_grid(space: Mapping[str, Distribution]) -> None:
    """A grid needs choices, and few enough.

    Raises:
        ValueError: one line, its path beginning below `tune`.
    """
    wrong = [key for key, law in space.items() if "choice" not in law]
    if wrong:
        raise ValueError(f"space.{wrong[0]}: must be choice: [...] for searcher grid")
    points = math.prod(len(law["choice"]) for law in space.values())
    if points > MOST_POINTS:
        raise ValueError(f"space: a grid of {points:,} points; at most {MOST_POINTS:,} are allowed")


def check_population(
    space: Mapping[str, Distribution], searcher: str, trials: int, population: int
) -> None:
    """Members keep a model and its data, draw their values, and come in whole generations.

    Raises:
        ValueError: one line, its path beginning below `tune`.
    """
    if searcher != "random":
        raise ValueError(f"searcher: {searcher} does not go with scheduler pbt; use random")
    if trials % population:
        raise ValueError(
            f"trials: {trials} is no multiple of population {population}, as generations of pbt "
            "need"
        )
    wrong = [key for key in space if not key.startswith("optim.")]
    if wrong:
        raise ValueError(
            f"space.{wrong[0]}: cannot change while a model trains; pbt takes keys of optim"
        )


def _check_key(key: str, tree: Mapping[str, Any]) -> None:
    node: Any = tree
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            raise ValueError(f"tune.space: unknown key {key!r}; use a dotted key, as optim.lr")
        node = node[part]
    if isinstance(node, Mapping):
        raise ValueError(f"tune.space: {key!r} is a section, not a value")
    if not key.startswith(SECTIONS) or key in FIXED:
        raise ValueError(
            f"tune.space.{key}: cannot be searched; allowed are keys of optim and of train, but "
            f"not {', '.join(FIXED)}"
        )


def _check_point(
    key: str,
    point: Mapping[str, Any],
    law: Distribution,
    tree: Mapping[str, Any],
    build: Callable[[Mapping[str, Any]], object],
) -> None:
    trial = {**tree, "optim": dict(tree["optim"]), "train": dict(tree["train"])}
    for name, value in point.items():
        section, _, field = name.partition(".")
        trial[section][field] = value
    try:
        build(trial)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        named = ".".join(map(str, first["loc"]))
        key = named if named in point else key
        text = first["msg"].removeprefix("Value error, ")
        real = first["type"] == "int_type" and "choice" not in law
        raise ValueError(
            f"tune.space.{key}: got {point[key]!r}; {text[0].lower()}{text[1:]}"
            + ("; use int_uniform or choice" if real else "")
        ) from None


def _check_rows(
    space: Mapping[str, Distribution],
    tree: Mapping[str, Any],
    build: Callable[[Mapping[str, Any]], object],
) -> None:
    """What two keys together may come to, and what the length of rows changes besides."""
    rows, passes, length = "train.batch_size", "train.micro_batch_size", "train.block_size"
    if rows in space and passes in space:
        point = {rows: min(_extremes(space[rows])), passes: max(_extremes(space[passes]))}
        _check_point(passes, point, space[passes], tree, build)
    lengths = _extremes(space[length]) if length in space else [SCORED_TOKENS]
    if len({max(value, SCORED_TOKENS) for value in lengths}) > 1:
        raise ValueError(
            f"tune.space.{length}: got {max(lengths)}; at most {SCORED_TOKENS}, since with longer "
            "rows more of each validation cell is scored, and perplexities cannot be compared"
        )


def _extremes(law: Distribution) -> Sequence[Any]:
    """All choices, or both ends of an interval as they would be drawn."""
    (name, values), = law.items()  # fmt: skip
    return [float(value) for value in values] if name in REAL else list(values)
