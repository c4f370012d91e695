"""Samples and judges a task's problems: what every process of an evaluation does, Ray or not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from calcgen_ray.config import EvaluateConfig, JudgeConfig
from calcgen_ray.corpus import calcbench
from calcgen_ray.corpus.tokens import tokenise
from calcgen_ray.errors import DataError
from calcgen_ray.evaluate.continuations import Continuation, continuations, trimmed
from calcgen_ray.evaluate.copies import TrainingText
from calcgen_ray.evaluate.records import GREEDY, UNASKED, Record
from calcgen_ray.evaluate.similarity import similarity
from calcgen_ray.generate.engine import Engine, SamplingParams, open_engine
from calcgen_ray.judge import Judge, Judgement, Ruling, Sandbox, Verifier
from calcgen_ray.judge.judge import no_result
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.model.tokenizer import encode
from calcgen_ray.problem import Completion, Problem, Verdict

WRITTEN_DOWN = "right, but written down and not computed"

Task = Sequence[int]
"""Places in `chosen_problems`."""


Asked = Problem | Continuation


def chosen_problems(config: EvaluateConfig, corpus: Path) -> list[Asked]:
    """The problems that are asked: all of the benchmark, or as many as wanted, spread evenly.

    Raises:
        DataError: the benchmark is `held_out`, and the corpus holds out no cell that serves.
    """
    every: Sequence[Asked]
    if config.benchmark == "held_out":
        every = continuations(corpus)
        if not every:
            raise DataError(
                f"{corpus}: no held-out cell of three statements or more that people wrote; "
                "set corpus.folders and corpus.hold_out, or evaluate.benchmark=calcbench"
            )
    else:
        every = calcbench.load(config.benchmark)
    count = min(config.problems or len(every), len(every))
    return [every[i * len(every) // count] for i in range(count)]


def tasks(config: EvaluateConfig, corpus: Path) -> list[range]:
    """The problems in parts of equal size, each of which is examined at one place."""
    total = len(chosen_problems(config, corpus))
    size = config.task_problems
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


class Examiner:
    """Completes problems with an engine and judges what comes.

    The records of a task depend on the task, the checkpoint and the settings alone.

    Args:
        training: the training cells, in which copies are looked for.
        problems: those that the tasks' numbers mean.
        seed: of the samples, together with the task's first problem.
    """

    def __init__(
        self,
        engine: Engine,
        judge: Judge,
        tokenizer: Any,
        training: TrainingText,
        problems: Sequence[Asked],
        config: EvaluateConfig,
        seed: int = 0,
    ) -> None:
        self.problems = problems
        self.config, self.seed = config, seed
        self._engine, self._judge = engine, judge
        self._tokenizer, self._training = tokenizer, training

    def examine(self, task: Task) -> list[Record]:
        """The records of a task: each problem's greedy completion, then its samples."""
        problems = [self.problems[i] for i in task]
        found: list[Record] = []
        for problem, completions in zip(problems, self._complete(problems, task), strict=True):
            known: dict[str, Record] = {}  # a text that comes twice is judged once
            for number, completion in enumerate(completions):
                if completion.text not in known:
                    known[completion.text] = self._record(problem, completion)
                found.append(_numbered(known[completion.text], number, completion))
        return found

    def _complete(self, problems: Sequence[Asked], task: Task) -> Iterator[list[Completion]]:
        config, prompts = self.config, [problem.prompt for problem in problems]
        greedy = SamplingParams(config.max_tokens, temperature=0)
        first = self._engine.generate(prompts, greedy)
        if not config.samples:
            yield from first
            return
        sampling = SamplingParams(
            config.max_tokens,
            config.temperature,
            config.top_p,
            n=config.samples,
            seed=zlib.crc32(f"{self.seed}/{task[0]}".encode()) >> 1,
        )
        rest = self._engine.generate(prompts, sampling)
        yield from (one + many for one, many in zip(first, rest, strict=True))

    def _record(self, problem: Asked, completion: Completion) -> Record:
        code, judgement = self._judged(problem, completion.text)
        outcome, alike = judgement.outcome, similarity(code, problem.code)
        asked = not isinstance(problem, Continuation)
        tokens = encode(self._tokenizer, code)
        return Record(
            problem=problem.id,
            group=calcbench.group_of(problem),
            family=problem.family,
            difficulty=problem.difficulty,
            sample=GREEDY,
            prompt=problem.prompt,
            code=code,
            finish_reason=completion.finish_reason,
            tokens=completion.completion_tokens,
            outcome=str(outcome.status),
            error=outcome.error,
            line=outcome.line,
            verdict=str(judgement.ruling.verdict) if asked else UNASKED,
            reason=WRITTEN_DOWN if judgement.computed is False else judgement.ruling.reason,
            correct=asked and judgement.correct,
            s=alike.s,
            precision=alike.precision,
            f1=alike.f1,
            copied_tokens=self._training.longest_run(tokens),
            copied=self._training.copied(tokens),
            seconds=outcome.seconds,
        )

    def _judged(self, problem: Asked, text: str) -> tuple[str, Judgement]:
        """The code that counts and its judgement; a fault of the sandbox gets a second try."""
        for _ in range(2):
            if isinstance(problem, Continuation):
                code = trimmed(problem.prompt, text)
                outcome = self._judge.run(problem.prompt + code)
                ruling = no_result(outcome) or Ruling(Verdict.UNKNOWN, UNASKED)
                judgement = Judgement(outcome, ruling)
            else:
                code, judgement = text, self._judge.judge(problem, text)
            if judgement.ruling.method != "sandbox":
                break
        return code, judgement


@contextmanager
def open_examiner(
    checkpoint: Path, corpus: Path, config: EvaluateConfig, judge: JudgeConfig, seed: int
) -> Iterator[Examiner]:
    """An examiner of a checkpoint folder with a sandbox of its own, closed with the block.

    Args:
        corpus: copies are looked for in its training cells.
    """
    tokenizer = load_model_tokenizer(str(checkpoint))
    cells = tokenise(corpus, "train", tokenizer)
    training = TrainingText(cells[i].tolist() for i in range(len(cells)))
    sandbox = Sandbox(1, judge.seconds, judge.memory_mb << 20, isolation=judge.isolation)
    with (
        closing(open_engine(checkpoint, config.engine)) as engine,
        Judge(sandbox, Verifier(1, judge.verdict_seconds), recheck=config.recheck) as opened,
    ):
        problems = chosen_problems(config, corpus)
        yield Examiner(engine, opened, tokenizer, training, problems, config, seed)


def _numbered(record: Record, number: int, completion: Completion) -> Record:
    return replace(
        record,
        sample=number,
        finish_reason=completion.finish_reason,
        tokens=completion.completion_tokens,
    )
