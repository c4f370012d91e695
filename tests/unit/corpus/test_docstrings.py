"""Doctest examples of packages, from a small package made here and from SymPy itself."""

import json
import sys

import pytest

from calcgen_ray.corpus.docstrings import read_docstrings
from calcgen_ray.errors import DataError

MODULE = '''
"""Module.

>>> twice(2)
4
"""
SCALE = 2

def twice(n):
    """
    >>> from math import pi
    >>> twice(SCALE)
    4
    >>> twice(pi) # doctest: +SKIP
    6.28
    >>> twice()
    Traceback (most recent call last):
    TypeError: no
    """
    return SCALE * n

class A:
    def m(self):
        """
        >>> A().m()
        1
        """
        return 1

again = twice
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    home = tmp_path / "tinydocs"
    (home / "tests").mkdir(parents=True)
    (home / "__init__.py").write_text("")
    (home / "core.py").write_text(MODULE)
    (home / "broken.py").write_text("import there_is_no_such_module\n")
    (home / "tests" / "__init__.py").write_text("raise RuntimeError('tests are not imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "tinydocs"
    for name in [n for n in sys.modules if n.startswith("tinydocs")]:
        del sys.modules[name]


def test_examples_of_one_docstring_form_one_cell(package):
    reading = read_docstrings([package])
    cells = {cell.document: cell for cell in reading.cells}
    assert set(cells) == {"tinydocs.core", "tinydocs.core.twice", "tinydocs.core.A.m"}
    twice = cells["tinydocs.core.twice"]
    assert twice.plain == "from math import pi\ntwice(SCALE)\n"
    assert twice.code == "from tinydocs.core import twice, SCALE\n" + twice.plain
    assert json.loads(twice.expected) == ["", "4\n"]
    assert reading.counts["docstring: module cannot be imported"] == 1


def test_unknown_module_is_named():
    with pytest.raises(DataError, match="'no_such_package'"):
        read_docstrings(["no_such_package"])


def test_sympy():
    cells = {cell.document: cell for cell in read_docstrings(["sympy.series.limits"]).cells}
    limit = cells["sympy.series.limits.limit"]
    assert "limit(sin(x)/x, x, 0)" in limit.code
    assert "1\n" in json.loads(limit.expected)
    assert "BSD" in limit.licence
