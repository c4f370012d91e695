"""Source of packages in pieces, from a small package made here and from SymPy itself."""

import ast
import sys

import pytest

from calcgen_ray.config import Config
from calcgen_ray.corpus import calcbench, store
from calcgen_ray.corpus.build import build, corpus_folder
from calcgen_ray.corpus.docstrings import CALCULUS_MODULES, read_docstrings
from calcgen_ray.corpus.packages import PIECE_CHARS, read_packages
from calcgen_ray.corpus.split import place
from calcgen_ray.errors import DataError


def function(name: str, indent: str = "", above: str = "") -> str:
    lines = [*above.splitlines(), f"def {name}(self):"]
    lines += [f"    {name}{i} = {i}  # padding, so that the body is long" for i in range(20)]
    return "".join(f"{indent}{line}\n" for line in lines)


CORE = f'''"""A module."""

import math

{function("first")}
{function("second", above="@property")}
class A:
    """A class."""

{function("one", "    ")}
{function("two", "    ", "@staticmethod")}'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    home = tmp_path / "tinysource"
    (home / "tests").mkdir(parents=True)
    (home / "__init__.py").write_text("from .core import first\n")
    (home / "empty.py").write_text("")
    (home / "core.py").write_text(CORE)
    (home / "table.py").write_text(f"T = [{'1, ' * 10_000}]\n")
    (home / "broken.py").write_text("def f(:\n")
    (home / "tests/test_core.py").write_text("never = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield home.name
    sys.modules.pop(home.name, None)


def test_pieces_are_whole_statements_and_lose_nothing(package):
    reading = read_packages([package])
    core = [cell for cell in reading.cells if cell.document == "tinysource.core"]
    assert [c.index for c in core] == list(range(len(core))) and len(core) == 6
    kept = "".join("".join(c.plain.split()) for c in core)
    assert kept == "".join(CORE.split())
    assert any(c.plain.startswith("@property\ndef second") for c in core)
    assert all(len(c.plain) < PIECE_CHARS + 1200 for c in core)
    for cell in core[:2]:
        ast.parse(cell.plain)


def test_what_is_left_out_is_counted_and_nothing_is_imported(package):
    reading = read_packages([package, package])
    assert reading.documents == 2
    assert reading.counts == {
        "package: file cannot be read": 1,
        "package: a table, or another huge statement": 1,
    }
    assert all("never" not in cell.plain for cell in reading.cells)
    assert package not in sys.modules


@pytest.fixture(scope="module")
def sympy_read():
    return read_packages(["sympy"])


def test_calcbench_docstrings_of_sympy_are_not_in_it(sympy_read):
    counts = sympy_read.counts
    assert counts["package: docstring kept for calcbench"] >= len(calcbench.documents())
    assert counts["package: docstring kept for validation"] == 0
    assert {cell.licence for cell in sympy_read.cells} == {"BSD"}
    diff = [c.plain for c in sympy_read.cells if "def diff(f, *symbols, **kwargs):" in c.plain]
    assert len(diff) == 1


def test_what_corpora_validate_on_is_cut_out(sympy_read):
    """The default preset's docstrings for validation, whatever its seed, by their examples."""
    held = [c for c in read_docstrings(CALCULUS_MODULES).cells if place(c.document) < 0.1]
    text = "\n".join(cell.plain for cell in read_packages(["sympy"], 0.1).cells)
    whole = "\n".join(cell.plain for cell in sympy_read.cells)

    def longest(cell):
        return max(cell.plain.splitlines(), key=len)

    telling = [c for c in held if whole.count(longest(c)) == 1 and len(longest(c)) > 30]
    assert len(telling) >= 8
    assert not [c.document for c in telling if longest(c) in text]


@pytest.mark.parametrize("name", ["nosuchpackage", "bisect", "a.b", ""])
def test_other_names_are_refused(name):
    with pytest.raises(DataError, match=r"corpus.packages: .* is no installed package"):
        read_packages([name])


def test_a_corpus_holds_packages_as_they_stand(package, tmp_path):
    config = Config.model_validate(
        {
            "run": {"storage": str(tmp_path / "runs")},
            "corpus": {"docstrings": (), "packages": (package,), "synthetic": {"count": 0}},
        }
    )
    records = store.read(build(config))
    assert {r.source for r in records} == {"package"}
    assert {r.split for r in records} == {"train", "valid"}
    none = config.model_copy(update={"corpus": config.corpus.model_copy(update={"packages": ()})})
    assert corpus_folder(none) != corpus_folder(config)
