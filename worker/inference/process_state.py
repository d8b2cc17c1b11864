"""The state of one worker process: its id, its connection, and its loaded versions."""

from __future__ import annotations

import logging
import os
import time
from functools import partial

import redis

from shared.broker.address import Address
from shared.broker.redis_client import connect
from shared.errors import SetupError
from shared.ledger.batch_ledger import BatchLedger
from shared.log_limit import DAY_S, LogLimit
from shared.messages import model_card
from shared.messages.job_record import JobRecord
from shared.process import child_id
from shared.registry.mirror_reader import Mirror
from shared.settings import Settings
from worker.backbones import served_version
from worker.backbones.served_version import ServedVersion
from worker.inference import outlier_detector
from worker.inference.file_access import SharedFiles
from worker.inference.model_cache import LoadedModel, ModelCache

log = logging.getLogger(__name__)
_FIX = "start the owner of a store that has it, or start the job over with --restart"


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
        return self._models.put(key, lambda: _load(version, detector))

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
        version = served_version.fetch(card, partial(self._copies.read, card), record.runtime)
        if outlier_detector.FILE not in card.files:
            return version, None
        return version, self._copies.read(card, outlier_detector.FILE)


def _load(version: ServedVersion, detector: bytes | None) -> LoadedModel:
    start, card = time.monotonic(), version.card
    known = None if detector is None else outlier_detector.decode(detector, card.features)
    model = LoadedModel(card, version.load(), known)
    log.info("%s (%s) is loaded, %.2f s", card.ref, version.runtime, time.monotonic() - start)
    return model
