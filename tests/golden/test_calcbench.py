"""Every kind of problem of the benchmark is within what the judge can decide."""

from calcgen_ray.corpus import calcbench
from calcgen_ray.judge import Judge, Sandbox, Verifier


def test_reference_programs_are_judged_right_and_computed() -> None:
    problems = [
        problem for number, problem in enumerate(calcbench.load())
        if calcbench.group_of(problem) != "generated" or number % 20 == 0
    ]  # fmt: skip
    with Judge(Sandbox(servers=2), Verifier(processes=2), recheck=True) as judge:
        judgements = judge.judge_many((problem, problem.code) for problem in problems)
        wrong = [p.id for p, found in zip(problems, judgements, strict=True) if not found.correct]
    assert wrong == []
