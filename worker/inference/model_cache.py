"""The versions that a worker process has loaded: the one in use, and the one before.

A new version is loaded beside the old one, so a swap needs no restart and a job in flight keeps
its own. A version that no batch has asked for is let go after a while; the last one that was used
stays, since the next job will most likely want it.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec

from shared.messages.model_card import Card
from worker.runtimes.runtime import Runtime

log = logging.getLogger(__name__)
#: The version in use and the one before: a job of each may be running.
MODELS_KEPT = 2
Key = tuple[str, str]  #: sha256 of the card, runtime


class Model(msgspec.Struct, frozen=True):
    """A loaded version."""

    card: Card
    runtime: Runtime


class ModelCache:
    """At most MODELS_KEPT versions. All but the last used go once unused for `unused_s`."""

    def __init__(self, unused_s: float) -> None:
        self._unused_s = unused_s
        self._models: OrderedDict[Key, Model] = OrderedDict()  # the one used last is the last
        self._used: dict[Key, float] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    @property
    def loaded(self) -> list[str]:
        """What there is, `name@version`, the one used last at the end."""
        with self._lock:
            return [model.card.ref for model in self._models.values()]

    def find(self, key: Key) -> Model | None:
        """The version, if it is here; from now on it is the one used last."""
        with self._lock:
            if key in self._models:
                self._touch(key)
            return self._models.get(key)

    def put(self, key: Key, load: Callable[[], Model]) -> Model:
        """Load a version. Room is made before, so that there are never more than MODELS_KEPT."""
        with self._lock:
            surplus = len(self._models) + 1 - MODELS_KEPT
            self._let_go(list(self._models)[: max(0, surplus)])
            self._models[key] = load()
            self._touch(key)
            self._wait()
            return self._models[key]

    def _touch(self, key: Key) -> None:
        self._models.move_to_end(key)
        self._used[key] = time.monotonic()

    def _let_go(self, keys: Sequence[Key]) -> None:
        for key in keys:
            log.info("%s (%s) is let go", self._models.pop(key).card.ref, key[1])
            del self._used[key]
        if keys:
            trim_memory()

    def _wait(self) -> None:
        """Look again when the first version may be unused. No thread where there is only one."""
        if len(self._models) > 1 and self._timer is None:
            unused_s = time.monotonic() - self._used[next(iter(self._models))]
            self._timer = threading.Timer(max(0.0, self._unused_s - unused_s), self._tidy)
            self._timer.daemon = True
            self._timer.start()

    def _tidy(self) -> None:
        with self._lock:
            self._timer = None
            now = time.monotonic()
            others = list(self._models)[:-1]
            self._let_go([key for key in others if now - self._used[key] >= self._unused_s])
            self._wait()


def trim_memory() -> None:
    """Return what is free to the system. Takes milliseconds, so not for every batch.

    Measured over 40 swaps: LiteRT and TensorFlow free what a dropped version held, but the C
    library keeps the pages. A child that took in eleven versions one after the other, two at a
    time, grew from 78 to 113 MB; with its pages given back at each swap it stayed at 79.
    """
    gc.collect()  # a Keras model is full of cycles
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """The function of glibc; None with another C library."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
