"""Workers."""

from __future__ import annotations

from producer.fleet.workers import live_workers
from shared.ledger.heartbeats import Heartbeat
from shared.settings import Settings


def workers() -> list[Heartbeat]:
    """The live workers, as each has reported itself last; none while this machine's stack is down.

    Raises:
        BrokerAway: a broker is configured, and it is unreachable.
    """
    return live_workers(Settings.from_env())
