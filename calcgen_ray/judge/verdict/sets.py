"""Solution sets: lists, tuples, sets, SymPy's own sets, dicts of solutions, equations x = a."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from calcgen_ray.judge.verdict.finding import (
    Finding,
    NotAnswerError,
    UnreadableError,
    different,
    equal,
    unknown,
)
from calcgen_ray.judge.verdict.numeric import Program, is_real
from calcgen_ray.judge.verdict.same import same
from calcgen_ray.judge.verdict.tree import expression, kind_of
from calcgen_ray.problem import Verdict

MOST = 50
DIGITS = 30
INFINITE = frozenset(
    {"Interval", "Reals", "Complexes", "Integers", "Rationals", "Naturals", "Naturals0"}
)
Solution = tuple[Any, ...]


def decide_set(expected: Any, given: Mapping[str, str], answer: Any) -> Finding:
    """Equal as sets: each solution of one has its equal in the other."""
    names = given["variable"].split(",")
    found = unpack(answer, names)
    wanted = [tuple(one) if isinstance(one, tuple | sympy.Tuple) else (one,) for one in expected]
    if len(found) > MOST:
        raise UnreadableError(f"{len(found)} solutions are too many to compare")
    for ours, theirs, word in ((found, wanted, "wrong"), (wanted, found, "missing")):
        doubt = ""
        for one in ours:
            verdicts = {match(one, other) for other in theirs}
            if Verdict.EQUAL in verdicts:
                continue
            if Verdict.UNKNOWN not in verdicts:
                return different("set", f"{word}: {', '.join(map(str, one))[:100]}")
            doubt = f"perhaps {word}: {', '.join(map(str, one))[:100]}"
        if doubt:
            return unknown("set", doubt)
    return equal("set", f"{len(wanted)} solutions")


def match(ours: Solution, theirs: Solution) -> Verdict:
    """DIFFERENT where one coordinate is, UNKNOWN where one is and none is different."""
    if len(ours) != len(theirs):
        return Verdict.DIFFERENT
    verdicts = {same(a, b).verdict for a, b in zip(ours, theirs, strict=True)}
    for verdict in (Verdict.DIFFERENT, Verdict.UNKNOWN):
        if verdict in verdicts:
            return verdict
    return Verdict.EQUAL


def unpack(tree: Any, names: list[str]) -> list[Solution]:
    """The solutions, each with one value a variable, in the order of the names."""
    match tree:
        case {"list": list(items)} | {"set": list(items)} | ["FiniteSet" | "Or", *items]:
            if len(names) > 1 and is_point(items, names):
                return [point(items)]
            return [one for item in items for one in unpack(item, names)]
        case {"tuple": list(items)} | ["Tuple", *items]:
            if len(names) > 1:
                return [point(items)]
            return [one for item in items for one in unpack(item, names)]
        case {"array": list(numbers), "shape": [_]}:
            return unpack({"list": [{"float": str(number)} for number in numbers]}, names)
        case ["Matrix", int(_), int(_), *items] if len(names) == len(items) or len(names) == 1:
            return [point(items)] if len(names) > 1 else unpack({"list": items}, names)
        case {"dict": list(pairs)} | ["Dict", *pairs]:
            return [by_name(pairs, names)] if pairs else []
        case _:
            return unpack_sympy(tree, names)


def unpack_sympy(tree: Any, names: list[str]) -> list[Solution]:
    """SymPy's sets and equations; and a single value, for a set of one."""
    match tree:
        case ["EmptySet"]:
            return []
        case ["Union", *parts]:
            return [one for part in parts for one in unpack(part, names)]
        case ["Intersection", *parts] if len(parts) == 2 and ["Reals"] in parts:
            [other] = [part for part in parts if part != ["Reals"]]
            return [one for one in unpack(other, names) if all(map(real, one))]
        case ["Complement", first, second]:
            taken = unpack(second, names)
            return [one for one in unpack(first, names) if not any(is_in(one, taken))]
        case ["Equality", ["Symbol", name], value] if [name] == names:
            return [(expression(value),)]
        case ["And", *parts]:
            equations = [one for one in parts if isinstance(one, list) and one[0] == "Equality"]
            return [by_name([equation[1:] for equation in equations], names)]
        case [str(name), *_] if name in INFINITE:
            raise NotAnswerError(f"{name} is no list of solutions")
        case [str(name), *_] if name in ("ConditionSet", "ImageSet", "ComplexRootOf"):
            raise UnreadableError(f"{kind_of(tree)} cannot be listed")
        case _ if len(names) == 1:
            return [(expression(tree),)]
        case _:
            raise NotAnswerError(f"{kind_of(tree)} is no set of solutions")


def is_in(one: Solution, others: list[Solution]) -> list[bool]:
    return [match(one, other) is Verdict.EQUAL for other in others]


def is_point(items: list[Any], names: list[str]) -> bool:
    """Whether a list for several variables holds one value for each, not one solution each."""
    holders = ("list", "tuple", "set", "dict", "array")
    inner = [
        item
        for item in items
        if (isinstance(item, dict) and any(key in item for key in holders))
        or (isinstance(item, list) and item[:1] in (["Tuple"], ["Dict"], ["FiniteSet"], ["And"]))
    ]
    return not inner and len(items) == len(names)


def point(items: list[Any]) -> Solution:
    return tuple(expression(item) for item in items)


def by_name(pairs: list[Any], names: list[str]) -> Solution:
    """The values of {x: 1, y: 2} in the order of the names; other keys are left out."""
    values: dict[str, Any] = {}
    for pair in pairs:
        if isinstance(pair, list) and pair[:1] == ["Tuple"]:
            pair = pair[1:]
        match pair:
            case [["Symbol", str(name)] | {"str": str(name)}, value]:
                values[name] = value
            case _:
                raise NotAnswerError("a solution's keys are no symbols")
    if not set(names) <= set(values):
        raise NotAnswerError(f"a solution without {', '.join(set(names) - set(values))}")
    return tuple(expression(values[name]) for name in names)


def real(value: Any) -> bool:
    found = Program(value)({}, DIGITS) if not value.free_symbols else None
    return found is not None and is_real(found)
