"""What a command that reads Redis needs: its role, and its errors as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.exceptions import RedisError

from shared import keys
from shared.broker import address
from shared.errors import BrokerAway
from shared.ledger import heartbeats
from shared.settings import Settings

ROLE = "producer"


@contextmanager
def broker_errors(settings: Settings) -> Iterator[None]:
    """Raise BrokerAway, with what to do, if Redis is unreachable."""
    try:
        yield
    except RedisError as error:
        url = address.redacted(settings.redis_url)
        line = f"Redis at {url} does not answer ({error}); start it, or unset HANGTAG_REDIS_URL"
        if not url:
            line = f"this machine's stack does not answer ({error}); remove it with: hangtag down"
        raise BrokerAway(line) from error


def has_trainer(client: redis.Redis) -> bool:
    """Whether a trainer is alive. Raises RedisError."""
    return any(beat.queue == keys.TRAIN_QUEUE for beat in heartbeats.alive(client))
