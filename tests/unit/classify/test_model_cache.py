"""A worker process holds the current version and the one before, only while they are needed."""

from __future__ import annotations

import random
import time
import weakref

from shared.registry import packaged
from worker.classify.process_state import Key, LoadedModel, ModelCache
from worker.runtimes.load_runtime import load
from worker.runtimes.runtime import Classifier

MAX_MODELS = 2
FOREVER_S = 1000.0
SOON_S = 0.3


def key(number: int) -> Key:
    return str(number), "litert"


def loader() -> LoadedModel:
    card = packaged.card()
    return LoadedModel(card, load("litert", card, packaged.read("model.tflite")))


MODEL = loader()


def use(cache: ModelCache, number: int) -> bool:
    """Use a version as a worker does; return whether it had to be loaded."""
    if cache.find(key(number)) is not None:
        return False
    cache.put(key(number), lambda: MODEL)
    return True


def test_the_two_most_recently_used_versions_are_cached() -> None:
    cache = ModelCache(FOREVER_S)
    recent: list[int] = []
    for number in random.Random(1).choices(range(4), k=20):
        assert use(cache, number) == (number not in recent)
        recent = [*(n for n in recent if n != number), number][-MAX_MODELS:]


def test_a_batch_evicts_a_version_that_none_has_used_for_a_while_and_keeps_its_own() -> None:
    cache = ModelCache(SOON_S)
    cache.put(key(1), loader)
    old = weakref.ref(runtime(cache, 1))
    cache.put(key(2), loader)
    time.sleep(SOON_S)
    assert cache.find(key(2)) is not None
    assert old() is None
    assert cache.find(key(1)) is None


def runtime(cache: ModelCache, number: int) -> Classifier:
    model = cache.find(key(number))
    assert model is not None
    assert isinstance(model.runtime, Classifier)
    return model.runtime
