"""Who is alive, for people: one line per worker."""

from __future__ import annotations

from redis.exceptions import RedisError

from producer.columns import columns
from producer.elsewhere import worker_line
from producer.stack import shown
from shared import heartbeat, keys
from shared.broker import glance
from shared.errors import BrokerAway
from shared.heartbeat import Heartbeat
from shared.place import broker_url, socket_path
from shared.settings import Settings

HEAD = ("host", "pid", "queue", "children", "models", "images", "images/s", "memory MB")
_LEFT = ("host", "queue", "models")


def living(settings: Settings) -> list[Heartbeat]:
    """Every worker of the broker in use, by id; none if this machine's stack does not run.

    Raises:
        BrokerAway: the broker that is configured does not answer.
    """
    if not settings.redis_url and not socket_path(settings).exists():
        return []
    url = broker_url(settings)
    try:
        with glance(url, "producer") as client:
            return heartbeat.alive(client)
    except RedisError as error:
        if not settings.redis_url:
            return []  # a stack that has just ended, or died
        raise BrokerAway(f"Redis at {shown(url)} does not answer ({error}); start it") from error


def children(settings: Settings) -> int:
    """How many children the living workers have that classify. Raises BrokerAway."""
    beats = living(settings)
    return sum(len(beat.children) for beat in beats if beat.queue == keys.CLASSIFY_QUEUE)


def cure(settings: Settings) -> str:
    """What to do where no worker is alive."""
    start = worker_line(settings) if settings.redis_url else "hangtag up"
    return f"no worker is alive; start one with: {start}"


def table(beats: list[Heartbeat]) -> list[str]:
    """The heading and one line per worker, in columns."""
    return columns(HEAD, [_row(beat) for beat in beats], _LEFT)


def _row(beat: Heartbeat) -> tuple[str, ...]:
    return (
        beat.host,
        str(beat.pid),
        beat.queue.removeprefix(keys.PREFIX),
        str(len(beat.children)),
        ",".join(beat.versions) or "-",
        f"{beat.images:,}",
        f"{beat.rate:,.0f}",
        f"{beat.memory_bytes / 1e6:,.0f}",
    )
