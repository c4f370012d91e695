"""The frozen benchmark: what is in it, and that training can't draw it."""

from collections import Counter
from dataclasses import replace
from itertools import islice

from calcgen_ray import settings
from calcgen_ray.corpus import calcbench, store
from calcgen_ray.corpus.build import build
from calcgen_ray.corpus.calcbench.generated import generated
from calcgen_ray.corpus.calcbench.wordings import WORDINGS
from calcgen_ray.corpus.families import FAMILIES, make_problem
from calcgen_ray.corpus.families.reserved import has_kept_composition, is_reserved
from calcgen_ray.problem import DIFFICULTIES


def test_groups_and_sizes() -> None:
    problems = calcbench.load()
    groups = Counter(map(calcbench.group_of, problems))
    assert groups["generated"] == 600 and groups["wording"] >= 100 and groups["docstring"] >= 150
    cells = Counter((p.family, p.difficulty) for p in problems if "docstring" not in p.id)
    assert all(cells[f, d] >= 20 for f in FAMILIES for d in DIFFICULTIES)
    assert len({p.id for p in problems}) == len(problems)


def test_its_expressions_are_reserved_and_training_never_draws_them() -> None:
    made = [p for p in calcbench.load() if calcbench.group_of(p) != "docstring"]
    assert all(is_reserved(p.skeleton) for p in made)
    drawn = [make_problem("derivatives", d, 9, i) for d in DIFFICULTIES for i in range(60)]
    assert not any(is_reserved(p.skeleton) for p in drawn)


def test_lines_read_back() -> None:
    for problem in calcbench.load():
        assert calcbench.from_line(calcbench.to_line(problem)) == problem


def test_the_other_file_goes_beyond_training() -> None:
    problems = calcbench.load("generalisation")
    groups = Counter(map(calcbench.group_of, problems))
    assert groups == {"composition": 120, "deeper": 80}
    assert len({p.statement for p in problems}) == len({p.id for p in problems}) == 200
    for problem in problems:
        new = has_kept_composition(problem.skeleton)
        assert new or is_reserved(problem.skeleton)
        assert new or calcbench.group_of(problem) == "deeper"
    deep = [calcbench.depth_of(p) for p in problems if calcbench.group_of(p) == "deeper"]
    assert max(deep) >= 9 and sum(deep) / len(deep) > 5


def test_depth_by_hand() -> None:
    one = next(p for p in calcbench.load() if p.family == "derivatives")
    for text, depth in (("x", 1), ("sin(x)", 2), ("sin(2*x) + 1", 4)):
        given = {**one.expected.given, "function": text}
        asked = replace(one, expected=replace(one.expected, given=given))
        assert calcbench.depth_of(asked) == depth


def test_its_docstrings_are_left_out_of_corpora(tmp_path) -> None:
    overrides = [
        f"run.storage={tmp_path}", "corpus.docstrings=[sympy.series.limits]",
        "corpus.synthetic.count=10", "corpus.drills=0", "corpus.run_cells=false",
    ]  # fmt: skip
    folder = build(settings.load("embedded", overrides))
    read = {record.document for split in ("train", "valid") for record in store.read(folder, split)}
    assert "sympy.series.limits.limit" in calcbench.documents()
    assert not read & calcbench.documents()


def test_no_training_template_has_the_wordings_written_by_hand() -> None:
    for family, variants in WORDINGS.items():
        trained = {text for texts in FAMILIES[family].phrasings.values() for text in texts}
        assert not trained & {text for texts in variants.values() for text in texts}


def test_the_file_is_what_its_seeds_give() -> None:
    frozen = {problem.id: problem for problem in calcbench.load()}
    for problem in islice(generated("derivatives", "easy"), 5):
        assert problem == frozen[problem.id]
