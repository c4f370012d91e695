"""A user's folder, good and bad: cells are read or counted by reason, never a traceback."""

import json
import os

import pytest

from calcgen_ray.corpus.documents import group_of
from calcgen_ray.corpus.folder import folder_digest, read_folder
from calcgen_ray.corpus.magics import strip_magics
from calcgen_ray.errors import DataError


def notebook(*cells, **extra):
    body = [{"cell_type": "code", "source": c, "outputs": [], "metadata": {}} for c in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": body, **extra})


GOOD = "x = 1\nprint(x)\n"
BAD_FILES = {
    "cut.ipynb": (notebook(GOOD)[:40].encode(), "notebook: unreadable notebook"),
    "list.ipynb": (b"[1, 2]", "notebook: unreadable notebook"),
    "empty.ipynb": (b"", "notebook: unreadable notebook"),
    "latin.ipynb": (notebook("s = 'x'").replace("x", "é").encode("latin-1"), "encoding"),
    "utf16.ipynb": (notebook(GOOD).encode("utf-16"), "encoding"),
    "julia.ipynb": (
        notebook("println(1)", metadata={"kernelspec": {"language": "julia"}}).encode(),
        "notebook: not a Python kernel",
    ),
    "nul.py": (b"x = 1\0\n", "encoding: holds NUL"),
    "latin.py": ("s = 'é'\n".encode("latin-1"), "encoding"),
    "two.py": (b"print 'hello'\n", "script: python 2"),
    "broken.py": (b"def f(:\n", "script: syntax error"),
    "tabs.py": (b"if 1:\n\tx = 1\n        y = 2\n", "script: syntax error"),
    "comments.py": (b"# nothing\n", "script: only comments"),
    "long.py": (b"x = '" + b"a" * 1_000_000 + b"'\n", "script: huge"),
    "deep.py": (b"x = " + b"(" * 5000 + b")" * 5000 + b"\n", "script: "),
    "other.md": (b"```julia\nx = 1\n```\n", "markdown: block in julia"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_cannot_be_used_is_counted(tmp_path, name):
    data, reason = BAD_FILES[name]
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / name).write_bytes(data)
    reading = read_folder(tmp_path)
    assert [cell.document for cell in reading.cells] == ["good.py"]
    assert any(reason in key for key in reading.counts), reading.counts


GOOD_FILES = {
    "bom.ipynb": b"\xef\xbb\xbf" + notebook(GOOD).encode(),
    "lines.ipynb": notebook(["x = 1\n", "print(x)\n"]).encode(),
    "old.ipynb": json.dumps({
        "nbformat": 3, "nbformat_minor": 0, "metadata": {},
        "worksheets": [{"cells": [{"cell_type": "code", "language": "python", "input": GOOD,
                                   "outputs": [], "collapsed": False}]}],
    }).encode(),
    "declared.py": b"# -*- coding: latin-1 -*-\nx = '\xe9'\nprint(x)\n",
    "crlf.py": GOOD.replace("\n", "\r\n").encode(),
    "marked.py": b"# %%\nx = 1\nprint(x)\n",
    "fenced.md": b"Text\n\n```python\nx = 1\nprint(x)\n```\n",
    "prompts.md": b"```\n>>> x = 1\n>>> print(x)\n1\n```\n",
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD_FILES)
def test_forms_that_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(GOOD_FILES[name])
    [cell] = read_folder(tmp_path).cells
    assert cell.plain.splitlines()[-1] == "print(x)"


def test_markdown_blocks_use_earlier_ones(tmp_path):
    text = "```python\nimport math\nr = 2\n```\nand\n```python\nprint(math.pi * r)\n```\n"
    (tmp_path / "a.md").write_text(text)
    last = read_folder(tmp_path).cells[-1]
    assert last.code == "import math\nr = 2\n\nprint(math.pi * r)\n"
    assert last.plain == "print(math.pi * r)\n"


def test_outputs_are_never_kept(tmp_path):
    body = json.loads(notebook(GOOD))
    body["cells"][0]["outputs"] = [{"data": {"image/png": "A" * 5_000_000}}]
    (tmp_path / "big.ipynb").write_text(json.dumps(body))
    [cell] = read_folder(tmp_path).cells
    assert "A" * 100 not in cell.code


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: p / "missing", "does not exist"),
        (lambda p: p, "holds no \\*.ipynb, \\*.py, \\*.md file"),
    ],
)
def test_folders_that_cannot_be_read(tmp_path, make, said):
    with pytest.raises(DataError, match=said) as error:
        read_folder(make(tmp_path))
    assert "\n" not in str(error.value)


def test_a_file_for_a_folder(tmp_path):
    (tmp_path / "a.py").write_text(GOOD)
    with pytest.raises(DataError, match="is a file"):
        read_folder(tmp_path / "a.py")


def test_nothing_usable_says_why(tmp_path):
    (tmp_path / "a.py").write_text("# only\n")
    with pytest.raises(DataError, match="only comments"):
        read_folder(tmp_path)


def test_links_and_hidden_folders(tmp_path):
    (tmp_path / "a.py").write_text(GOOD)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "a.py").write_text(GOOD)
    os.symlink(tmp_path, tmp_path / "loop")
    os.symlink(tmp_path / "gone", tmp_path / "dangling.py")
    os.mkfifo(tmp_path / "pipe.py")
    assert [cell.document for cell in read_folder(tmp_path).cells] == ["a.py"]


def test_licence_and_digest(tmp_path):
    (tmp_path / "LICENSE").write_text("Permission is hereby granted, free of charge, to any")
    (tmp_path / "a.py").write_text(GOOD)
    [cell] = read_folder(tmp_path).cells
    assert cell.licence == "MIT"
    before = folder_digest(tmp_path)
    assert before == folder_digest(tmp_path)
    (tmp_path / "a.py").write_text(GOOD + "\n")
    assert folder_digest(tmp_path) != before


@pytest.mark.parametrize(
    ("document", "group"),
    [
        ("figures/ch07_derivativesRules_figures.ipynb", "ch07"),
        ("exercises/ch07_derivativesRules_exercises.ipynb", "ch07"),
        ("Lecture-5-Sympy.ipynb", "ch05"),
        ("03-limits.md", "ch03"),
        ("chapter15_symbolic/01_intro.py", "ch01"),
        ("notes/research.py", "notes/research.py"),
    ],
)
def test_groups(document, group):
    assert group_of(document) == group


MAGICS = {
    "%matplotlib inline\nx = 1": "x = 1",
    "%%time\nx = 1": "x = 1",
    "!pip install sympy\nx = 1": "x = 1",
    "?diff\nx = 1": "x = 1",
    "x.diff??\ny = 1": "y = 1",
    "if a:\n    %time f()\nb = 1": "if a:\n    pass\nb = 1",
    "s = '%d' % 3\n": "s = '%d' % 3\n",
    "y = (7\n % 4)\n": "y = (7\n % 4)\n",
    "s = '''\n%matplotlib\n'''\n": "s = '''\n%matplotlib\n'''\n",
}


@pytest.mark.parametrize("cell", MAGICS)
def test_magics_are_taken_out(cell):
    assert strip_magics(cell) == (MAGICS[cell], None)


@pytest.mark.parametrize(
    "cell", ["%%bash\nls", "# note\n%%html\n<b>", "files = !ls", "t = %timeit -o f()"]
)
def test_foreign_cells_are_refused(cell):
    assert strip_magics(cell)[1].startswith("magic: ")
