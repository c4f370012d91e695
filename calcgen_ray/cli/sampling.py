"""`calcgen sample`: one prompt, or one after another from the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calcgen_ray.cli.screen import Screen
from calcgen_ray.errors import CalcgenError, InputError
from calcgen_ray.problem import as_prompt


def sample(
    screen: Screen, prompt: str | None, target: str, storage: Path, keys: Path | None, *,
    raw: bool, **sampling: Any,
) -> None:  # fmt: skip
    with _sampler(target, storage, keys) as complete:
        for asked in [prompt] if prompt is not None else _typed(screen):
            text = asked if raw else as_prompt(asked)
            try:
                for pieces in complete(text, sampling):
                    screen.stream([text, *pieces])
            except CalcgenError as error:
                if prompt is not None:
                    raise
                screen.fail(str(error))


def _typed(screen: Screen) -> Iterator[str]:
    """Problems from the keyboard, or one a line from a file, until there are no more."""
    if screen.interactive:
        screen.say("A problem in words, then Enter; Ctrl-D ends.")
    while True:
        try:
            typed = input("problem> " if screen.interactive else "")
        except EOFError:
            return
        if typed.strip():
            yield typed


@contextmanager
def _sampler(target: str, storage: Path, keys: Path | None) -> Iterator[Any]:
    """What turns a prompt into completions, each of them an iterable of pieces of text."""
    if target.startswith(("http://", "https://")):
        from calcgen_ray.serving import client
        from calcgen_ray.serving.access import read_keys

        key = read_keys(keys)[0].decode() if keys else None

        def ask(text: str, sampling: dict[str, Any]) -> Any:
            if sampling["n"] > 1:
                return [[c.text] for c in client.complete(target, text, key=key, **sampling)]
            one = {name: value for name, value in sampling.items() if name != "n"}
            return [client.stream(target, text, key=key, **one)]

        yield ask
        return
    from calcgen_ray.evaluate.subject import find_folder
    from calcgen_ray.generate.engine import SamplingParams, open_engine

    engine = open_engine(find_folder(target, storage), "transformers")

    def compute(text: str, sampling: dict[str, Any]) -> Any:
        if sampling["n"] > 1 and sampling["temperature"] == 0:
            raise InputError(
                "temperature 0 is greedy and gives one text; n above 1 needs more than 0"
            )
        [completions] = engine.generate([text], SamplingParams(**sampling))
        return [[one.text] for one in completions]

    try:
        yield compute
    finally:
        engine.close()
