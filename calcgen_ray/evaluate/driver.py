"""An evaluation on Ray: tasks of problems over actors that each hold an engine and a judge."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calcgen_ray import cluster
from calcgen_ray.config import Config
from calcgen_ray.corpus import calcbench
from calcgen_ray.errors import CalcgenError, DataError, EvaluationError, ResourceError
from calcgen_ray.evaluate import records
from calcgen_ray.evaluate.examiner import (
    Examiner,
    Task,
    chosen_problems,
    open_examiner,
    tasks,
)
from calcgen_ray.evaluate.perplexity import ALL, measure
from calcgen_ray.evaluate.records import Record
from calcgen_ray.evaluate.subject import Subject, find_subject
from calcgen_ray.evaluate.summary import summarise
from calcgen_ray.model.loading import load_model_tokenizer
from calcgen_ray.model.tokenizer import encode
from calcgen_ray.problem import Problem

Notify = Callable[[str, int, int], None]

LOST_ACTORS = 3
"""A task is tried on so many actors, since its own code may be what ends them."""

CLOSE_SECONDS = 10
"""That actors have to remove what they put on their node's disk."""


def evaluate(
    targets: Sequence[str], config: Config, corpus: Path, notify: Notify = lambda *_: None
) -> list[tuple[Subject, dict[str, Any]]]:
    """Measures checkpoints, one after another; finished tasks of an earlier process are kept.

    Args:
        targets: as `find_subject`.
        corpus: perplexity is measured on its test cells, on its validation cells where it has no
            others; copies are sought in its training cells.

    Returns:
        Each checkpoint with the figures that summary.py describes.

    Raises:
        InputError: what the caller can mend.
        EvaluationError: a task ended every process that it was given to.
    """
    corpus = corpus.resolve()
    subjects = [find_subject(target, config, corpus) for target in targets]
    return [(subject, _measured(subject, config, corpus, notify)) for subject in subjects]


def _measured(subject: Subject, config: Config, corpus: Path, notify: Notify) -> dict[str, Any]:
    measured = {"checkpoint": subject.name, "benchmark": config.evaluate.benchmark}
    known = subject.summary()
    if known is not None:
        return {**known, **measured}
    scores = measure(str(subject.checkpoint), corpus)
    _run_tasks(subject, config, corpus, notify)
    count = len(tasks(config.evaluate, corpus))
    found = [r for number in range(count) for r in records.read(subject.part(number))]
    tokenizer = load_model_tokenizer(str(subject.checkpoint))
    asked = chosen_problems(config.evaluate, corpus)
    depths = {p.id: calcbench.depth_of(p) for p in asked if isinstance(p, Problem)}
    summary = {
        **measured,
        "perplexity": scores[ALL].perplexity,
        "perplexity_by_source": {k: s.perplexity for k, s in scores.items() if k != ALL},
        **summarise(found, lambda text: encode(tokenizer, text), depths),
        "isolation": config.judge.isolation,
    }
    subject.finish(found, summary)
    return summary


def _run_tasks(subject: Subject, config: Config, corpus: Path, notify: Notify) -> None:
    """Writes the part of each task that has none yet."""
    todo = dict(enumerate(tasks(config.evaluate, corpus)))
    missing = {number: task for number, task in todo.items() if not _is_done(subject.part(number))}
    done = len(todo) - len(missing)
    notify(f"judge {subject.name}", done, len(todo))
    if not missing:
        return
    cluster.connect(dashboard=False)
    arguments = (subject.checkpoint.resolve(), corpus, config.evaluate, config.judge,
                 config.run.seed)  # fmt: skip
    with Actors(arguments, worker_count(config, len(missing))) as actors:
        for number, found in actors.examine(missing):
            records.write(subject.part(number), found)
            done += 1
            notify(f"judge {subject.name}", done, len(todo))


def _is_done(part: Path) -> bool:
    try:
        return bool(records.read(part))
    except DataError:
        return False


def worker_count(config: Config, task_count: int) -> int:
    """Actors: one a CPU of the cluster, or as many as are asked for, never more than tasks.

    Raises:
        ResourceError: more are asked for than there are CPUs.
    """
    fits = int(cluster.resources()["CPU"])
    wanted = config.evaluate.workers or fits
    if wanted > fits:
        raise ResourceError(
            f"evaluate.workers: got {wanted}, but the cluster has {fits} CPUs and each takes one; "
            "lower it, or set 0 for as many as fit"
        )
    return max(1, min(wanted, task_count))


class Station:
    """An examiner in an actor, opened by its first task, so that what is wrong comes as an error.

    An error in an actor's constructor would come as the actor's death.
    """

    def __init__(self, *arguments: Any) -> None:
        self._opening = open_examiner(*arguments)
        self._examiner: Examiner | None = None

    def examine(self, task: Task) -> list[Record]:
        if self._examiner is None:
            self._examiner = self._opening.__enter__()
        return self._examiner.examine(task)

    def pid(self) -> int:
        return os.getpid()

    def close(self) -> None:
        """Removes the engine's converted weights and the judge's folders."""
        if self._examiner is not None:
            self._opening.__exit__(None, None, None)


class Actors:
    """Ray actors that each work off a task at a time; one that is lost is replaced.

    Args:
        arguments: of `open_examiner`.
    """

    def __init__(self, arguments: tuple[Any, ...], count: int) -> None:
        import ray

        self._make = ray.remote(num_cpus=1)(Station).remote
        self._arguments, self._count = arguments, count
        self._idle: deque[Any] = deque()
        self._all: list[Any] = []

    def __enter__(self) -> Actors:
        for _ in range(self._count):
            self._add()
        return self

    def __exit__(self, *raised: object) -> None:
        import ray

        if raised[0] is None:  # else they may be at work, and who interrupts does not wait
            closing = [actor.close.remote() for actor in self._all]
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for actor in self._all:
            ray.kill(actor)

    def _add(self) -> None:
        actor = self._make(*self._arguments)
        self._all.append(actor)
        self._idle.append(actor)

    def examine(self, todo: Mapping[int, Task]) -> Iterator[tuple[int, list[Record]]]:
        """Each task's number and records, as they are finished."""
        import ray

        waiting, running = deque(todo), dict[Any, tuple[int, Any]]()
        lost = dict.fromkeys(todo, 0)
        while waiting or running:
            while waiting and self._idle:
                number, actor = waiting.popleft(), self._idle.popleft()
                running[actor.examine.remote(todo[number])] = number, actor
            [ready], _ = ray.wait(list(running), num_returns=1)
            number, actor = running.pop(ready)
            try:
                with _one_line():
                    found = ray.get(ready)
            except ray.exceptions.RayActorError as error:
                lost[number] += 1
                if lost[number] == LOST_ACTORS:
                    raise EvaluationError(_lost(number, todo[number], error)) from None
                waiting.appendleft(number)
                self._all.remove(actor)
                self._add()
                continue
            self._idle.append(actor)
            yield number, found


@contextmanager
def _one_line() -> Iterator[None]:
    """Turns what a task raised into our own error."""
    import ray

    try:
        yield
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, CalcgenError):
            raise cause from None
        lines = str(error).strip().splitlines()
        raise EvaluationError(f"a task of the evaluation failed: {lines[-1]}") from None


def _lost(number: int, task: Task, error: Exception) -> str:
    return (
        f"task {number} (problems {task[0]} to {task[-1]}) ended {LOST_ACTORS} processes: "
        f"{str(error).strip().splitlines()[0]}; see the log, or give the machine more memory"
    )
