"""The state of one worker process: its id, its connection, and its loaded versions."""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import redis

from shared.broker.address import Address
from shared.broker.redis_client import connect
from shared.errors import SetupError
from shared.ledger.batch_ledger import BatchLedger
from shared.logs import DAY_S, LogLimit
from shared.messages import model_card
from shared.messages.batch import JobRecord
from shared.messages.model_card import Card
from shared.process import child_id
from shared.registry.mirror_reader import Mirror
from shared.settings import Settings
from worker.classify import outliers
from worker.classify.file_access import SharedFiles
from worker.classify.outliers import OutlierDetector
from worker.classify.resource_limits import trim_memory
from worker.runtimes import load_runtime
from worker.runtimes.load_runtime import ServedVersion
from worker.runtimes.runtime import Classifier

log = logging.getLogger(__name__)
#: The current version and the previous one: a job of each may be running.
MAX_MODELS = 2
Key = tuple[str, str]  #: sha256 of the card, runtime
_FIX = "start the owner of a store that has it, or start the job over with --restart"


class LoadedModel(msgspec.Struct, frozen=True):
    card: Card
    runtime: Classifier
    detector: OutlierDetector | None = None  #: None: the version has none


class ModelCache:
    """The current version and the previous one.

    A new version is loaded beside the old one, so that a swap needs no restart and a running job
    keeps its version. One that no batch has used for `unused_s` is evicted by a batch of the other.
    """

    def __init__(self, unused_s: float) -> None:
        self._unused_s = unused_s
        self._models: OrderedDict[Key, LoadedModel] = OrderedDict()  # most recently used at the end
        self._used: dict[Key, float] = {}

    @property
    def loaded(self) -> list[str]:
        """The versions, `name@version`, the most recently used at the end."""
        return [model.card.ref for model in self._models.values()]

    def find(self, key: Key) -> LoadedModel | None:
        """The version, or None. It becomes the most recently used one."""
        if key in self._models:
            self._touch(key)
        return self._models.get(key)

    def put(self, key: Key, load: Callable[[], LoadedModel]) -> LoadedModel:
        """Load a version. Evicts others first, so that there are never more than MAX_MODELS."""
        surplus = len(self._models) + 1 - MAX_MODELS
        self._evict(list(self._models)[: max(0, surplus)])
        self._models[key] = load()
        self._touch(key)
        return self._models[key]

    def _touch(self, key: Key) -> None:
        now = time.monotonic()
        self._models.move_to_end(key)
        self._used[key] = now
        self._evict([other for other in self._models if now - self._used[other] >= self._unused_s])

    def _evict(self, keys: Sequence[Key]) -> None:
        for key in keys:
            log.info("%s (%s) is evicted", self._models.pop(key).card.ref, key[1])
            del self._used[key]
        if keys:
            trim_memory()


class ProcessState:
    def __init__(self, settings: Settings, broker: Address | str, parent: str) -> None:
        self.settings = settings
        self.owner = f"{parent}/{child_id(os.getpid())}"
        self.client: redis.Redis = connect(broker, "worker")
        self._copies = Mirror(self.client)
        self.files = SharedFiles(settings.root)
        self._models = ModelCache(settings.model_unused_s)
        self._lines = LogLimit(log, DAY_S)

    def ledger(self, job: str) -> BatchLedger:
        return BatchLedger(self.client, job, self.settings.claim_limit_s)

    def log_unfit(self, job: str) -> None:
        """Log that this worker gets no batch of a job."""
        self._lines.error(
            f"this worker gets no more batches of job {job}: its processes have died while they "
            "loaded the model, as a rule for lack of memory; restart it to try again"
        )

    def model_in_memory(self, record: JobRecord) -> LoadedModel | None:
        """The version that a job is pinned to, if it is loaded."""
        return self._models.find((record.card_sha256, record.runtime))

    def model(self, record: JobRecord) -> LoadedModel:
        """The version that a job is pinned to, loaded at most once.

        Raises:
            SetupError: it is not available, or differs from the one that the job was pinned to.
            redis.exceptions.RedisError: the server is unreachable.
        """
        if model := self.model_in_memory(record):
            return model
        version, detector = self._fetch(record)
        key = (record.card_sha256, record.runtime)
        return self._models.put(key, lambda: _loaded_model(version, detector))

    @property
    def loaded(self) -> list[str]:
        """The versions in memory, `name@version`, the most recently used at the end."""
        return self._models.loaded

    def _fetch(self, record: JobRecord) -> tuple[ServedVersion, bytes | None]:
        """A version and its detector, fetched before other versions are evicted."""
        try:
            card = self._copies.card(record.name, record.version)
        except SetupError as error:  # it was there when the job was submitted
            raise SetupError(f"{error}; {_FIX}") from error
        if model_card.card_sha256(card) != record.card_sha256:
            raise SetupError(
                f"{card.ref} here is not the version the job was submitted with; "
                "install the same Hangtag everywhere"
            )
        version = load_runtime.fetch(card, partial(self._copies.read, card), record.runtime)
        if outliers.FILE not in card.files:
            return version, None
        return version, self._copies.read(card, outliers.FILE)


def _loaded_model(version: ServedVersion, detector: bytes | None) -> LoadedModel:
    start, card = time.monotonic(), version.card
    known = None if detector is None else outliers.decode(detector, card.features)
    model = LoadedModel(card, version.load(), known)
    log.info("%s (%s) is loaded, %.2f s", card.ref, version.runtime, time.monotonic() - start)
    return model
