"""Whether Redis lets this worker in. If it never will, the worker ends with one line.

A server that is away is waited for. A wrong password, a certificate that is not to be trusted and a
right that is missing end a worker that starts at once, and one that was let in after a while: a
password that is rotated, or a file of users that is loaded again, need not end all workers.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import NoReturn

from celery.worker import state
from redis.exceptions import RedisError

from shared.broker.access_errors import access_error
from shared.broker.address import Address
from shared.broker.location import broker_url
from shared.broker.redis_client import connect
from shared.errors import BrokerRefuses, Exit, SetupError
from shared.ledger import heartbeats
from shared.settings import Settings

log = logging.getLogger(__name__)
#: Refusals further apart than this are not of one cause: each part of a worker tries more often.
CALM_S = 15.0


def configuration() -> tuple[Settings, Address, bool]:
    """The settings, the broker, and whether events are sent.

    A set-up that cannot be used ends this process with one line.
    """
    try:
        settings = Settings.from_env()
        broker, events = broker_url(settings), settings.events
    except SetupError as error:
        _end(error)
    set_limit(settings)
    return settings, broker, events


def check_access(broker: Address, worker_id: str, queue: str) -> None:
    """End this process, which has begun nothing yet, if Redis refuses it.

    It is asked with what a worker does all the time: a heartbeat, here one that is withdrawn, and
    a look at its queue.
    """
    try:
        with connect(broker, "pulse") as client:
            heartbeats.stop(client, worker_id)
            client.llen(queue)
    except BrokerRefuses as error:
        _end(error)
    except RedisError:
        pass  # away, which Celery waits for


class RefusalLimit:
    """For how long a worker that was let in is refused before it ends. Used by all its threads.

    One that was never let in ends at once: its start was refused.
    """

    def __init__(self, limit_s: float) -> None:
        self.let_in = False
        self._limit_s = limit_s
        self._since = self._last = -CALM_S
        self._over = False
        self._lock = threading.Lock()

    def refused(self, error: BaseException) -> None:
        """Note one more refusal; end the worker in good order once they have gone on too long."""
        with self._lock:
            now = time.monotonic()
            if self.let_in and now - self._last > CALM_S:
                self._since = now
                log.warning("Redis refuses this worker; it tries again for %g s", self._limit_s)
            self._last = now
            if self._over or (self.let_in and now - self._since < self._limit_s):
                return
            self._over = True
        log.critical("%s; the worker ends", access_error(error) or error)
        state.should_stop = int(Exit.SETUP)  # type: ignore[assignment]


#: Set by the application modules from the settings.
patience = RefusalLimit(Settings().refused_s)


def note_refusal(error: BaseException) -> None:
    """Note a refusal, from any thread of the parent."""
    patience.refused(error)


def note_connected() -> None:
    """Note that the worker has been connected: from now on refusals are waited for."""
    patience.let_in = True


def set_limit(settings: Settings) -> None:
    """Take the limit from the settings."""
    global patience
    patience = RefusalLimit(settings.refused_s)


def _end(error: SetupError) -> NoReturn:
    raise SystemExit(f"hangtag: {error}")  # Python prints it and exits with 1, Exit.SETUP
