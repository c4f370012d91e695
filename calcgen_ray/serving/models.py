"""The checkpoints that a replica serves: the live one, and others by their id.

The registry says which one is live. When that changes, the new one is verified, loaded beside the
old and asked for a token; then requests go to it, and the old one is closed once its last request
is over. Whatever is wrong with the new one, the old one stays.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcgen_ray.errors import CalcgenError
from calcgen_ray.generate.batcher import Batcher
from calcgen_ray.generate.engine import SamplingParams
from calcgen_ray.registry.store import MODELS, Registry, check_finite
from calcgen_ray.serving.errors import ApiError

POLL_SECONDS = 1.0
SMOKE_PROMPT = "# Differentiate x**2 with respect to x.\n"
LIVE = "best"
"""Another name of the live checkpoint."""
LOG = logging.getLogger("calcgen.serving")


@dataclass(slots=True, eq=False)
class Model:
    """A checkpoint that is loaded. `id` is what clients call it, `entry` what the registry does."""

    id: str
    entry: str
    digest: str
    engine: Any
    batcher: Batcher
    created: int = field(default_factory=lambda: int(time.time()))
    users: int = 0
    retired: bool = False

    @property
    def max_tokens_total(self) -> int:
        return int(self.engine.max_tokens_total)


OpenEngine = Callable[[Path], Any]


class Models:
    """What a replica has loaded.

    Args:
        registry: polled for the live entry; None where one folder is served for good.
        open_engine: opens a folder or registry entry.
        name: what clients call the live one; its id in the registry where that is left out.
        most: entries that are loaded at once besides the live one.
    """

    def __init__(
        self,
        first: Model,
        registry: Registry | None,
        open_engine: OpenEngine,
        name: str | None = None,
        most: int = 2,
    ) -> None:
        self.live, self._registry, self._open = first, registry, open_engine
        self._name, self._most = name, most
        self._others: dict[str, Model] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.refused = ""
        if registry is not None:
            threading.Thread(target=self._watch, name="registry", daemon=True).start()

    @contextmanager
    def use(self, name: str | None) -> Iterator[Model]:
        """The loaded model of that name, kept open for the block.

        Raises:
            ApiError: 404, with the names that there are.
        """
        with self._lock:
            model = self._find(name)
            model.users += 1
        try:
            yield model
        finally:
            with self._lock:
                model.users -= 1
                gone = model.retired and not model.users
            if gone:
                close(model)

    def names(self) -> list[str]:
        """The live one first, then what else the registry holds."""
        rest = [entry.id for entry in self._registry.entries()] if self._registry else []
        return [self.live.id, *(name for name in rest if name != self.live.entry)]

    def close(self) -> None:
        self._closing.set()
        for model in [self.live, *self._others.values()]:
            close(model)

    def ensure(self, name: str) -> None:
        """Loads the registry's entry of that name unless it is; takes a while, so for a thread.

        Raises:
            ApiError: 503 where it does not load. A name that nothing has is left to `use`.
        """
        with self._lock:
            known = self._known(name)
        if known is not None or self._registry is None or name not in self.names():
            return
        try:
            model = load(self._registry.root / MODELS / name, name, self._open)
        except CalcgenError as error:
            raise ApiError(503, f"model: {name} does not load: {error}") from None
        with self._lock:
            if self._known(name) is not None:  # another request was quicker
                close(model)
                return
            while len(self._others) >= self._most:
                self._retire(self._others.pop(next(iter(self._others))))
            self._others[name] = model

    def _known(self, name: str | None) -> Model | None:
        if name in (None, LIVE, self.live.id, self.live.entry):
            return self.live
        return self._others.get(str(name))

    def _find(self, name: str | None) -> Model:
        known = self._known(name)
        if known is not None:
            return known
        raise ApiError(
            404,
            f"model: got {str(name)[:100]!r}; served here: {', '.join(self.names())}",
            param="model",
            code="model_not_found",
        )

    def _watch(self) -> None:
        while not self._closing.wait(POLL_SECONDS):
            try:
                self.refresh()
            except Exception as error:  # the old one goes on whatever is wrong with the new one
                self.refused = str(error)
                LOG.warning("the promoted checkpoint is not taken: %s", error)

    def refresh(self) -> bool:
        """Takes the registry's live entry if it is another one; True where it was.

        Raises:
            CalcgenError: it is damaged, or does not make a token.
        """
        assert self._registry is not None
        wanted = self._registry.live_id()
        if not wanted or wanted == self.live.entry:
            return False
        entry = self._registry.live()  # verified
        check_finite(entry.path)
        model = load(entry.path, self._name or entry.id, self._open)
        with self._lock:
            old, self.live = self.live, model
            twin = self._others.pop(model.entry, None)
            for one in filter(None, (old, twin)):
                self._retire(one)
        self.refused = ""
        return True

    def _retire(self, model: Model) -> None:
        model.retired = True
        if not model.users:
            close(model)


def load(folder: Path, name: str, open_engine: OpenEngine) -> Model:
    """Opens a checkpoint and asks it for a token.

    Raises:
        CalcgenError: it does not open, or makes none.
    """
    engine = open_engine(folder)
    engine.generate([SMOKE_PROMPT], SamplingParams(max_tokens=1, temperature=0))
    digest = Registry.digest_of(folder) or name
    return Model(name, folder.name, digest, engine, Batcher(engine))


def close(model: Model) -> None:
    """Ends a model's threads and frees its weights."""
    model.batcher.close()
    model.engine.close()
