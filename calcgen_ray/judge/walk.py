"""Any Python object as a bounded tree of lists, dicts, strings and numbers, fit for JSON.

It runs inside the sandboxed process, after code that nobody has read, so it trusts nothing: types
are asked by `type`, never by `isinstance`; containers are read by the methods of the built-in
types; of SymPy objects the stored arguments are taken, not what a property says. What it does not
know becomes {"other": type name}, and so does what is too large. It never raises. A patched SymPy
can still make it wait: the caller's deadline ends that.

The tree (what reads it, `verdict/tree.py`, trusts none of it):

    SymPy            [class name, *arguments]; ["Integer", "12"], ["Rational", "1", "3"],
                     ["Float", mantissa, exponent] (base 2), ["Symbol", name],
                     ["Apply", name, *arguments] for f(x), ["Matrix", rows, columns, *entries]
    Python, NumPy    {"int": "12"}, {"float": "0.5"}, {"complex": ["0.5", "1.0"]}, {"bool": true},
                     {"str": text}, {"none": true}, {"list" | "tuple" | "set": [trees]},
                     {"dict": [[key, value], ...]}
    array            {"array": [numbers], "shape": [sizes], "step": n}: every n-th number of a long
                     one; numbers that are not finite are the strings nan, inf, -inf
    plots            {"lines": [{"x": [numbers], "y": [numbers]}, ...]}
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from typing import Any

NODES = 2000
DIGITS = 1000
BITS = int(DIGITS * math.log2(10))
DEPTH = 100
POINTS = 2000  # of all arrays together
LINE_POINTS = 500  # of one line of a plot
LINES = 20
CHARS = 1000
NAME_CHARS = 60

mro = type.__dict__["__mro__"].__get__


class TooLargeError(Exception):
    """Over one of the bounds."""


class Nothing:
    """Stands for a class that is not imported: no object is one."""


def encode(value: object) -> Any:
    """The tree of an object; never raises."""
    try:
        return Walk().tree(value, 0)
    except TooLargeError:
        return {"other": "too large"}
    except BaseException:  # the candidate's own properties may raise anything
        return other(value)


def other(value: object) -> dict[str, str]:
    """What stands for an object that is not known."""
    return {"other": name_of(type(value))[:NAME_CHARS]}


def name_of(kind: type) -> str:
    return str(type.__dict__["__name__"].__get__(kind))


def known(module: str, name: str) -> Any:
    """A class of a module, if that has been imported; else a class that nothing is."""
    return getattr(sys.modules.get(module), name, Nothing)


class Walk:
    """One encoding, with what is left of its bounds."""

    def __init__(self) -> None:
        self.nodes = NODES
        self.points = POINTS

    def tree(self, value: Any, depth: int) -> Any:
        self.nodes -= 1
        if self.nodes < 0 or depth > DEPTH:
            raise TooLargeError
        if value is None:
            return {"none": True}
        kinds = mro(type(value))
        for kind, read in PYTHON:
            if kind in kinds:
                return read(self, value, depth)
        for module, name, read in FOREIGN:
            if known(module, name) in kinds:
                return read(self, value, depth)
        return other(value)

    def trees(self, values: Iterable[Any], depth: int) -> list[Any]:
        return [self.tree(value, depth + 1) for value in values]

    def spend(self, points: int) -> None:
        self.points -= points
        if self.points < 0:
            raise TooLargeError


def boolean(walk: Walk, value: Any, depth: int) -> Any:
    return {"bool": value is True}


def integer(walk: Walk, value: Any, depth: int) -> Any:
    return {"int": digits(int.__int__(value))}


def digits(value: int) -> str:
    if value.bit_length() > BITS:
        raise TooLargeError
    return str(value)


def real(walk: Walk, value: Any, depth: int) -> Any:
    return {"float": repr(float.__float__(value))}


def complex_number(walk: Walk, value: Any, depth: int) -> Any:
    value = complex.__complex__(value)
    return {"complex": [repr(value.real), repr(value.imag)]}


def string(walk: Walk, value: Any, depth: int) -> Any:
    return {"str": str.__str__(value)[:CHARS]}


def container(name: str, base: Any) -> Callable[[Walk, Any, int], Any]:
    """A reader that goes by the built-in type's own iterator."""

    def read(walk: Walk, value: Any, depth: int) -> Any:
        if base.__len__(value) > NODES:
            raise TooLargeError
        return {name: walk.trees(base.__iter__(value), depth)}

    return read


def mapping(walk: Walk, value: Any, depth: int) -> Any:
    if dict.__len__(value) > NODES:
        raise TooLargeError
    return {"dict": [walk.trees(pair, depth) for pair in dict.items(value)]}


def fraction(walk: Walk, value: Any, depth: int) -> Any:
    return ["Rational", digits(value.numerator), digits(value.denominator)]


def sympy_tree(walk: Walk, value: Any, depth: int) -> Any:
    """A SymPy object: atoms by what they hold, the rest by class name and stored arguments."""
    kinds = mro(type(value))
    if known("sympy.core.numbers", "Rational") in kinds:
        if value.q == 1:
            return ["Integer", digits(int.__int__(value.p))]
        return ["Rational", digits(int.__int__(value.p)), digits(int.__int__(value.q))]
    if known("sympy.core.numbers", "Float") in kinds:
        return floating(value._mpf_)
    if known("sympy.core.symbol", "Symbol") in kinds:
        return ["Symbol", str.__str__(value.name)[:NAME_CHARS]]
    if known("sympy.core.symbol", "Str") in kinds:
        return string(walk, value.name, depth)
    if known("sympy.polys.polytools", "Poly") in kinds:
        return walk.tree(value.as_expr(), depth + 1)
    if known("sympy.matrices.matrixbase", "MatrixBase") in kinds:
        return matrix(walk, value, depth)
    arguments = walk.trees(known("sympy.core.basic", "Basic")._args.__get__(value), depth)
    name = name_of(type(value))[:NAME_CHARS]
    if known("sympy.core.function", "AppliedUndef") in kinds:
        return ["Apply", name, *arguments]
    return [name, *arguments]


def floating(parts: Any) -> Any:
    """mpmath's (sign, mantissa, exponent, bits); infinities and nan have a mantissa of 0."""
    sign, mantissa, exponent, _bits = parts
    if not mantissa and exponent:
        return ["NaN"]
    mantissa = int(mantissa)
    return ["Float", digits(-mantissa if sign else mantissa), digits(int(exponent))]


def mpf(walk: Walk, value: Any, depth: int) -> Any:
    return floating(value._mpf_)


def matrix(walk: Walk, value: Any, depth: int) -> Any:
    rows, columns = int(value.rows), int(value.cols)
    if rows * columns > NODES:
        raise TooLargeError
    entries = known("sympy.matrices.matrixbase", "MatrixBase").flat(value)
    return ["Matrix", rows, columns, *walk.trees(entries, depth)]


def number(value: Any) -> Any:
    value = float(value)
    return value if math.isfinite(value) else repr(value)


def numpy_scalar(walk: Walk, value: Any, depth: int) -> Any:
    return walk.tree(value.item(), depth + 1)


def array(walk: Walk, value: Any, depth: int) -> Any:
    numpy = sys.modules["numpy"]
    value = numpy.ndarray.view(value, numpy.ndarray)
    shape = [int(size) for size in value.shape]
    if value.dtype.kind not in "biufc":
        if value.size > NODES:
            raise TooLargeError
        return {"list": walk.trees(value.ravel().tolist(), depth)}
    step = 1
    if value.size > POINTS:
        if value.ndim > 1:
            raise TooLargeError
        step = -(-value.size // LINE_POINTS)
        value = value[::step]
    if value.dtype.kind == "c":
        return {"list": walk.trees(value.ravel().tolist(), depth)}
    walk.spend(value.size)
    return {"array": [number(v) for v in value.ravel().tolist()], "shape": shape, "step": step}


def points(xs: Any, ys: Any) -> dict[str, list[Any]]:
    """At most `LINE_POINTS` evenly picked points, the last one among them."""
    numpy = sys.modules["numpy"]
    xs, ys = (numpy.asarray(v, dtype=float).ravel() for v in (xs, ys))
    size = min(len(xs), len(ys))
    kept = min(size, LINE_POINTS)
    picked = [i * (size - 1) // max(1, kept - 1) for i in range(kept)]
    return {"x": [number(xs[i]) for i in picked], "y": [number(ys[i]) for i in picked]}


def line(walk: Walk, value: Any, depth: int) -> Any:
    return {"lines": [points(value.get_xdata(orig=False), value.get_ydata(orig=False))]}


def axes(walk: Walk, value: Any, depth: int) -> Any:
    return {"lines": [points(*one.get_data(orig=False)) for one in list(value.lines)[:LINES]]}


def figure(walk: Walk, value: Any, depth: int) -> Any:
    found = [one for each in list(value.axes)[:LINES] for one in axes(walk, each, depth)["lines"]]
    return {"lines": found[:LINES]}


def sympy_plot(walk: Walk, value: Any, depth: int) -> Any:
    """What `sympy.plot` gives: its curves are computed anew."""
    return {"lines": [points(*one.get_data()[:2]) for one in list(value._series)[:LINES]]}


Read = Callable[[Walk, Any, int], Any]
PYTHON: tuple[tuple[type, Read], ...] = (
    (bool, boolean),
    (int, integer),
    (float, real),
    (complex, complex_number),
    (str, string),
    (list, container("list", list)),
    (tuple, container("tuple", tuple)),
    (set, container("set", set)),
    (frozenset, container("set", frozenset)),
    (dict, mapping),
)
FOREIGN: tuple[tuple[str, str, Read], ...] = (
    ("sympy.core.basic", "Basic", sympy_tree),
    ("sympy.matrices.matrixbase", "MatrixBase", matrix),
    ("numpy", "generic", numpy_scalar),
    ("numpy", "ndarray", array),
    ("matplotlib.lines", "Line2D", line),
    ("matplotlib.axes", "Axes", axes),
    ("matplotlib.figure", "FigureBase", figure),
    ("sympy.plotting.plot", "Plot", sympy_plot),
    ("fractions", "Fraction", fraction),
    ("mpmath", "mpf", mpf),
)
