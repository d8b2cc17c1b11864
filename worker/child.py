"""What one worker process keeps: its name, its connection, and the models it has loaded.

A version is loaded once and kept; the one that was used longest ago makes room for a third.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import redis

from shared import serving
from shared.broker import connect
from shared.card import Card
from shared.contract import JobRecord
from shared.errors import SetupError
from shared.ledger import Ledger
from shared.process import child_id
from shared.settings import Settings
from worker.runtime import Runtime, artifact_name, load

#: The version in use and the one before: a job of each may be running.
MODELS_KEPT = 2


class Model(msgspec.Struct, frozen=True):
    """A loaded version."""

    card: Card
    runtime: Runtime


class Child:
    """The state of one worker process."""

    def __init__(self, settings: Settings, url: str, parent: str) -> None:
        self.settings = settings
        self.owner = f"{parent}/{child_id(os.getpid())}"
        self.client: redis.Redis = connect(url, "worker")
        self._models: OrderedDict[tuple[str, str], Model] = OrderedDict()

    def ledger(self, job: str) -> Ledger:
        """The ledger of a job."""
        return Ledger(self.client, job, self.settings.claim_limit_s)

    def model(self, record: JobRecord) -> Model:
        """The version that a job is pinned to, loaded at most once.

        Raises:
            SetupError: it cannot be had, or is not the one that the job was pinned to.
            redis.exceptions.RedisError: the server is away.
        """
        key = (record.card_sha256, record.runtime)
        if key not in self._models:
            self._models[key] = self._load(record)
            if len(self._models) > MODELS_KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def _load(self, record: JobRecord) -> Model:
        card = serving.load_card(self.client, record.name, record.version)
        if serving.card_sha256(card) != record.card_sha256:
            raise SetupError(
                f"{card.ref} here is not the version the job was submitted with; "
                "install the same Hangtag everywhere"
            )
        artifact = serving.load_file(self.client, card, artifact_name(record.runtime))
        return Model(card, load(record.runtime, card, artifact))


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process by SIGALRM if the block takes longer.

    A hung C decoder never returns to Python, so only the signal's default action, done by the
    kernel, ends it; the parent then reports the death like any other.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # a thread pool: a timer would end its neighbours too
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
