"""Whether Redis lets this worker in. If it never will, the worker ends with one line.

A server that is away is waited for; a wrong password, a certificate that is not to be trusted and
a right that is missing are not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

from celery.worker import state
from redis.exceptions import RedisError

from shared import heartbeat
from shared.access import Address
from shared.broker import connect
from shared.errors import BrokerRefuses, SetupError
from shared.exits import Exit
from shared.refusal import refused

log = logging.getLogger(__name__)
T = TypeVar("T")
_said = threading.Lock()


def configured(make: Callable[[], T]) -> T:
    """What `make` answers; a set-up that cannot be used ends this process with one line."""
    try:
        return make()
    except SetupError as error:
        _end(error)


def ask(broker: Address, worker_id: str, queue: str) -> None:
    """End this process, which has begun nothing yet, if Redis refuses it.

    It is asked with what a worker does all the time: a heartbeat, here one that is withdrawn, and
    a look at its queue.
    """
    try:
        with connect(broker, "pulse") as client:
            heartbeat.stop(client, worker_id)
            client.llen(queue)
    except BrokerRefuses as error:
        _end(error)
    except RedisError:
        pass  # away, which Celery waits for


def turned_away(error: BaseException) -> None:
    """End the worker in good order, from any thread of its parent. Said once."""
    if _said.acquire(blocking=False):
        log.critical("%s; the worker ends", refused(error) or error)
        state.should_stop = int(Exit.SETUP)  # type: ignore[assignment]


def _end(error: SetupError) -> NoReturn:
    raise SystemExit(f"hangtag: {error}")  # Python prints it and exits with 1, Exit.SETUP
