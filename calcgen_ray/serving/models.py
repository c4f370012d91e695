"""The checkpoints that a replica serves: the live one, and others by their id.

The registry says which one is live. When that changes, the new one is verified, loaded beside the
old and asked for a token; then requests go to it, and the old one is closed once its last request
is over. Whatever is wrong with the new one, the old one stays. What is wrong, paths and all, is
for the log; clients hear of an entry's name only.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

from calcgen_ray.errors import CalcgenError
from calcgen_ray.generate.weights import positions
from calcgen_ray.registry.store import MODELS, PROMOTED, Registry
from calcgen_ray.serving.errors import ApiError
from calcgen_ray.serving.loading import LOG, Model, OpenBatcher, close, load_entry

POLL_SECONDS = 1.0
AGAIN_SECONDS = 60.0
"""Between two tries of the same refused entry, each of which reads all of it."""
LIVE = "best"
"""Another name of the live checkpoint."""


class Models:
    """What a replica has loaded.

    Args:
        registry: polled for the live entry; None where one folder is served for good.
        open_batcher: opens a folder or registry entry.
        name: what clients call the live one; its id in the registry where that is left out.
        most: entries that are loaded at once besides the live one.
    """

    def __init__(
        self,
        first: Model,
        registry: Registry | None,
        open_batcher: OpenBatcher,
        name: str | None = None,
        most: int = 2,
    ) -> None:
        self.live, self._registry, self._open = first, registry, open_batcher
        self._name, self._most = name, most
        self._others: dict[str, Model] = {}
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._loader = ThreadPoolExecutor(max_workers=2, thread_name_prefix="loading")
        self._closer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="closing")
        self._closing = threading.Event()
        self.refused = ""
        if registry is not None:
            threading.Thread(target=self._watch, name="registry", daemon=True).start()

    def acquire(self, name: str | None) -> Model:
        """The model of that name, kept open until `release`; loaded where it is not, which takes
        a while, but once however many ask.

        Raises:
            ApiError: 404 with the names that there are, 503 where it does not load.
        """
        found = self._take(name)
        if found is not None:
            return found
        with self._loading_of(str(name)):
            found = self._take(name)  # another request was quicker
            return found or self._load(str(name))

    async def acquired(self, name: str | None) -> Model:
        """The same without keeping an event loop waiting."""
        found = self._take(name)
        if found is not None:
            return found
        future = self._loader.submit(self.acquire, name)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(self._give_back)
            raise

    def release(self, model: Model) -> None:
        """One request less; the last one of a model that was replaced closes it."""
        with self._lock:
            model.users -= 1
            gone = model.retired and not model.users
        if gone:
            self._end([model])

    @contextmanager
    def use(self, name: str | None) -> Iterator[Model]:
        """`acquire` and `release` around a block."""
        model = self.acquire(name)
        try:
            yield model
        finally:
            self.release(model)

    def names(self) -> list[str]:
        """The live one first, then what else the registry holds."""
        rest: list[str] = []
        if self._registry is not None:
            with suppress(CalcgenError, OSError):  # it is damaged: what is loaded goes on
                rest = [entry.id for entry in self._registry.entries()]
        return [self.live.id, *(name for name in rest if name != self.live.entry)]

    def max_tokens_total(self, name: str) -> int:
        """What the model of that name reads at most; by its file where it is not loaded."""
        with self._lock:
            known = self._known(name)
        if known is None and self._registry is not None:
            with suppress(CalcgenError, OSError, ValueError):
                return positions(self._registry.root / MODELS / name)
        return (known or self.live).max_tokens_total

    def find(self, name: str) -> Model | None:
        """The model of that name where it is loaded, None where it is only in the registry.

        Raises:
            ApiError: 404, with the names that there are.
        """
        with self._lock:
            known = self._known(name)
        if known is None and name not in self.names():
            raise self._missing(name)
        return known

    def close(self) -> None:
        """Ends all that is loaded, once what is being loaded is."""
        self._closing.set()
        self._loader.shutdown(wait=True, cancel_futures=True)
        self._closer.shutdown(wait=True)
        for model in [self.live, *self._others.values()]:
            close(model)

    def refresh(self) -> bool:
        """Takes the registry's live entry if it is another one; True where it was.

        Raises:
            CalcgenError: it is damaged, or does not make a token.
        """
        assert self._registry is not None
        wanted = self._registry.live_id()
        if not wanted or wanted == self.live.entry:
            self.refused = ""
            return False
        model = load_entry(self._registry.root / MODELS / wanted, self._name, self._open)
        with self._lock:
            old, self.live = self.live, model
            twin = self._others.pop(model.entry, None)
            gone = self._retired(*filter(None, (old, twin)))
        self._end(gone)
        self.refused = ""
        return True

    def _take(self, name: str | None) -> Model | None:
        with self._lock:
            model = self._known(name)
            if model is not None:
                model.users += 1
            return model

    def _known(self, name: str | None) -> Model | None:
        if name in (None, LIVE, self.live.id, self.live.entry):
            return self.live
        model = self._others.get(str(name))
        return model if model and model.batcher.alive else None  # one that is lost is loaded again

    def _loading_of(self, name: str) -> threading.Lock:
        """The lock under which an entry is loaded."""
        if self._registry is None or name not in self.names():
            raise self._missing(name)
        with self._lock:
            return self._loading.setdefault(name, threading.Lock())

    def _load(self, name: str) -> Model:
        assert self._registry is not None
        try:
            model = load_entry(self._registry.root / MODELS / name, name, self._open)
        except CalcgenError as error:
            LOG.warning("%s does not load: %s", name, error)
            raise ApiError(503, f"model: {name} does not load; the log says why") from None
        model.users = 1
        with self._lock:
            lost = self._others.pop(name, None)
            surplus = list(self._others)[: max(0, len(self._others) - self._most + 1)]
            old = [self._others.pop(each) for each in surplus]
            gone = self._retired(*filter(None, [lost, *old]))
            self._others[name] = model
        self._end(gone)
        return model

    def _retired(self, *models: Model) -> list[Model]:
        """Those that nobody uses; the others are closed by their last user."""
        for model in models:
            model.retired = True
        return [model for model in models if not model.users]

    def _end(self, models: list[Model]) -> None:
        for model in models:
            if self._closing.is_set():
                close(model)
            else:
                self._closer.submit(close, model)

    def _give_back(self, loaded: Future[Model]) -> None:
        """For a client that left while its model was being loaded."""
        if not loaded.cancelled() and loaded.exception() is None:
            self.release(loaded.result())

    def _missing(self, name: str) -> ApiError:
        told = f"model: got {name[:100]!r}; served here: {', '.join(self.names())}"
        return ApiError(404, told, param="model", code="model_not_found")

    def _watch(self) -> None:
        """Whatever is wrong with the new one, the old one goes on, and so does this thread. What
        was refused is tried anew when it is promoted anew, or after a while."""
        assert self._registry is not None
        refused, again = ("", 0), 0.0
        while not self._closing.wait(POLL_SECONDS):
            wanted = (PROMOTED, 0)
            try:
                wanted = (self._registry.live_id(), self._registry.changed_at())
                if wanted != refused or time.monotonic() >= again:
                    self.refresh()
                    refused = ("", 0)
            except Exception as error:
                if wanted != refused or time.monotonic() >= again:
                    LOG.warning("%s is not taken: %s", wanted[0], error)
                    again = time.monotonic() + AGAIN_SECONDS
                refused, self.refused = wanted, f"{wanted[0]} is not taken; the log says why"
