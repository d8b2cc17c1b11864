"""The cache of loaded versions in a worker process: the current version and the previous one.

A new version is loaded beside the old one, so that a swap needs no restart and a running job keeps
its version. A version that no batch has used for a while is evicted, except the most recently used
one, which the next job most likely needs.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from shared.messages.model_card import Card
from worker.inference.freed_memory import trim_memory
from worker.inference.outlier_detector import OutlierDetector
from worker.runtimes.runtime import Runtime

log = logging.getLogger(__name__)
#: The current version and the previous one: a job of each may be running.
MAX_MODELS = 2
Key = tuple[str, str]  #: sha256 of the card, runtime


class LoadedModel(msgspec.Struct, frozen=True):
    card: Card
    runtime: Runtime
    detector: OutlierDetector | None = None  #: None: the version has none


class ModelCache:
    """At most MAX_MODELS versions. Evicts those unused for `unused_s`, except the last used."""

    def __init__(self, unused_s: float) -> None:
        self._unused_s = unused_s
        self._models: OrderedDict[Key, LoadedModel] = OrderedDict()  # most recently used at the end
        self._used: dict[Key, float] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    @property
    def loaded(self) -> list[str]:
        """The versions, `name@version`, the most recently used at the end."""
        with self._lock:
            return [model.card.ref for model in self._models.values()]

    def find(self, key: Key) -> LoadedModel | None:
        """The version, or None. It becomes the most recently used one."""
        with self._lock:
            if key in self._models:
                self._touch(key)
            return self._models.get(key)

    def put(self, key: Key, load: Callable[[], LoadedModel]) -> LoadedModel:
        """Load a version. Evicts others first, so that there are never more than MAX_MODELS."""
        with self._lock:
            surplus = len(self._models) + 1 - MAX_MODELS
            self._evict(list(self._models)[: max(0, surplus)])
            self._models[key] = load()
            self._touch(key)
            self._schedule_eviction()
            return self._models[key]

    def _touch(self, key: Key) -> None:
        self._models.move_to_end(key)
        self._used[key] = time.monotonic()

    def _evict(self, keys: Sequence[Key]) -> None:
        for key in keys:
            log.info("%s (%s) is evicted", self._models.pop(key).card.ref, key[1])
            del self._used[key]
        if keys:
            trim_memory()

    def _schedule_eviction(self) -> None:
        """Start a timer for the next eviction. No thread if there is only one version."""
        if len(self._models) > 1 and self._timer is None:
            unused_s = time.monotonic() - self._used[next(iter(self._models))]
            self._timer = threading.Timer(max(0.0, self._unused_s - unused_s), self._evict_unused)
            self._timer.daemon = True
            self._timer.start()

    def _evict_unused(self) -> None:
        with self._lock:
            self._timer = None
            now = time.monotonic()
            others = list(self._models)[:-1]
            self._evict([key for key in others if now - self._used[key] >= self._unused_s])
            self._schedule_eviction()
