"""Reading a configuration: a preset or a YAML file, its `base`, then `key.sub=value` overrides."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from calcgen_ray.config import Config
from calcgen_ray.errors import ConfigError

MAX_FILE_BYTES = 1_000_000
MAX_ALIASES = 50


class _Loader(yaml.SafeLoader):
    """Safe YAML in which duplicate keys are errors, 1e-4 is a number and `yes` is a string."""

    yaml_implicit_resolvers = copy.deepcopy(yaml.SafeLoader.yaml_implicit_resolvers)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


for _first, _rules in _Loader.yaml_implicit_resolvers.items():
    _Loader.yaml_implicit_resolvers[_first] = [
        rule
        for rule in _rules
        if rule[0] not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")
    ]
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?((\d+\.\d*|\.\d+)([eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.(inf|Inf)|\.(nan|NaN))$"),
    list("-+0123456789."),
)


def presets() -> dict[str, str]:
    """Name and first comment line of each preset that ships with the package."""
    folder = files("calcgen_ray") / "presets"
    found = [p for p in folder.iterdir() if p.name.endswith(".yaml")]
    return {
        p.name.removesuffix(".yaml"): _headline(p.read_text("utf-8"))
        for p in sorted(found, key=lambda p: p.name)
    }


def load(source: str = "embedded", overrides: Sequence[str] = ()) -> Config:
    """The configuration named `source` (a preset or a file) with `key.sub=value` overrides.

    Raises:
        ConfigError: one line that names the key or file, the value and what is allowed.
    """
    tree = _with_base(source, seen=())
    for override in overrides:
        _apply(tree, override)
    return from_dict(tree)


def from_dict(tree: Mapping[str, Any]) -> Config:
    """A `Config` from plain values, as they cross process borders.

    Raises:
        ConfigError: as `load`.
    """
    try:
        return Config.model_validate(dict(tree))
    except ValidationError as error:
        raise ConfigError(_explain(error, tree)) from None


def replace(config: Config, values: Mapping[str, Any]) -> Config:
    """A copy with the values of dotted keys exchanged, checked anew."""
    tree = config.model_dump(mode="json")
    for key, value in values.items():
        _put(tree, key, value)
    return from_dict(tree)


def dump(config: Config) -> str:
    """The resolved tree as YAML that `load` takes."""
    tree = config.model_dump(mode="json")
    tree["base"] = None
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def _with_base(source: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if source in seen:
        raise ConfigError(f"base: {' -> '.join((*seen, source))} goes round in a circle")
    tree = parse(_read(source), source)
    base = tree.get("base")
    if base is None:
        return {**tree, "base": source}
    if not isinstance(base, str):
        raise ConfigError(f"{source}: base: got {base!r}; allowed: a preset's name or a file")
    return {**_merge(_with_base(base, (*seen, source)), tree), "base": source}


def _read(source: str) -> str:
    known = presets()
    if source in known:
        return (files("calcgen_ray") / "presets" / f"{source}.yaml").read_text("utf-8")
    path = Path(source).expanduser()
    if not path.is_file():
        near = difflib.get_close_matches(source, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"presets: {', '.join(known)}"
        raise ConfigError(f"configuration {source!r} is neither a preset nor a file; {hint}")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ConfigError(f"{source}: larger than {MAX_FILE_BYTES:,} bytes; is it a configuration?")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{source}: not UTF-8 text; save it as UTF-8") from None


def parse(text: str, source: str) -> dict[str, Any]:
    """The mapping that a YAML text holds.

    Raises:
        ConfigError: not YAML, duplicate keys, too many aliases, or no mapping.
    """
    if len(re.findall(r"(?m)[\s\[,:]\*\w", text)) > MAX_ALIASES:
        raise ConfigError(f"{source}: more than {MAX_ALIASES} YAML aliases; write the values out")
    try:
        tree = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{source}{where}: not valid YAML: {_problem(error)}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{source}: holds {type(tree).__name__}; a mapping of keys is needed")
    return tree


def _problem(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def _merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(low)
    for key, value in high.items():
        old = out.get(key)
        # A search space replaces the one below it: half of two spaces is nobody's space.
        if isinstance(old, dict) and isinstance(value, dict) and key != "space":
            out[key] = _merge(old, value)
        else:
            out[key] = value
    return out


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"override {override!r}: write key.sub=value, as optim.lr=1e-3")
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: not valid YAML: {_problem(error)}") from None
    _put(tree, key.strip(), value)


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{key}: {parent!r} is a value, not a section")
        node = child
    node[last] = value


def _explain(error: ValidationError, tree: Mapping[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown(first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not path:
        return message
    if first["type"] == "value_error" and _keys(Config, first["loc"]):
        return f"{path}.{message}"  # of several keys of a section: the message names one
    return f"{path}: got {first['input']!r}; {message[0].lower()}{message[1:]}"


def _unknown(loc: tuple[int | str, ...]) -> str:
    names = _keys(Config, loc[:-1])
    key = ".".join(map(str, loc))
    if key in ("tune.metric", "tune.mode"):
        return f"unknown key {key!r}: perplexity on validation cells is what a search minimises"
    wanted = str(loc[-1])
    near = difflib.get_close_matches(wanted, names, 1, 0.5) or _synonym(wanted, names)
    if near:
        return f"unknown key {key!r}; did you mean {'.'.join([*map(str, loc[:-1]), near[0]])!r}?"
    return f"unknown key {key!r}; allowed: {', '.join(names)}"


_SYNONYMS = {
    "learning_rate": "lr",
    "learing_rate": "lr",
    "num_epochs": "epochs",
    "num_workers": "count",
    "max_steps": "steps",
    "grad_clip": "clip",
}


def _synonym(word: str, names: Sequence[str]) -> list[str]:
    close = difflib.get_close_matches(word, _SYNONYMS, 1, 0.8)
    return [_SYNONYMS[close[0]]] if close and _SYNONYMS[close[0]] in names else []


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _headline(text: str) -> str:
    first = text.splitlines()[0] if text else ""
    return first.lstrip("# ").strip() if first.startswith("#") else ""
