"""Heartbeats of worker parents: the only source for which workers are alive."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, cast

import msgspec
import redis
from msgspec import Meta

from shared import keys
from shared.errors import MISFITS, BadMessage
from shared.failpoints import failpoint

#: Heartbeats dated further in the future predate a reset of the server's clock and are ignored.
#: The ledger's scripts have the same number.
FUTURE_MS = 10_000
#: A worker without a heartbeat for this long is forgotten. Workers do that, so that readers need
#: no write access.
FORGET_S = 3600
#: The largest integer that a float holds exactly, as in JSON for programs.
Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class Heartbeat(msgspec.Struct, frozen=True):
    """The report of a worker parent on itself as of `at_ms`, by the server's clock."""

    id: str  #: host:pid:started
    host: str
    pid: Count
    queue: str
    children: list[str]  #: `pid:started` of each
    #: `name@version` in the memory of any child, also of an idle one. Each child reports its loaded
    #: versions with every finished batch, so none are known before its first.
    versions: list[str]
    images: Count  #: classified since the start
    rate: float  #: images per second, of whole batches, over the last half minute
    memory_bytes: Count  #: resident, parent and children together
    at_ms: Count
    since_ms: Count  #: when this worker started, by the server's clock
    #: Images with a row other than `ok`, by status, since the start. Like `images` it counts work:
    #: a batch that two workers did counts for both.
    failures: dict[str, Count]
    idle: list[str] = []  #: of the children, those without a hint
    runtimes: list[str] = []  #: that it can load; empty for a trainer

    @property
    def name(self) -> str:
        """Its host and process."""
        return f"{self.host}:{self.pid}"


def beat(client: redis.Redis, heartbeat: Heartbeat, ttl_s: float) -> None:
    """Write one heartbeat, which expires after `ttl_s`. Raises redis.exceptions.RedisError."""
    with client.pipeline(transaction=True) as pipe:
        pipe.set(keys.worker(heartbeat.id), msgspec.json.encode(heartbeat), px=int(ttl_s * 1000))
        pipe.zadd(keys.WORKERS, {heartbeat.id: heartbeat.at_ms / 1000})
        pipe.zremrangebyscore(keys.WORKERS, "-inf", heartbeat.at_ms / 1000 - FORGET_S)
        pipe.pexpire(keys.WORKERS, FORGET_S * 1000)
        pipe.execute()
    failpoint("heartbeat.beaten")


def alive(client: redis.Redis) -> list[Heartbeat]:
    """Every living worker, by id."""
    return _alive(client, keys.WORKERS, keys.worker("").encode())


def alive_of_0_2_0(client: redis.Redis) -> list[Heartbeat]:
    """Every living worker of 0.2.0 or before, which see no job of this version."""
    return _alive(client, keys.WORKERS_0_2_0, keys.WORKER_0_2_0.encode())


def _alive(client: redis.Redis, roster: str, prefix: bytes) -> list[Heartbeat]:
    ids = cast(list[bytes], client.zrange(roster, 0, -1))  # maybe not UTF-8
    if not ids:
        return []
    values = cast(list[bytes | None], client.mget([prefix + i for i in ids]))
    latest = server_ms(client) + FUTURE_MS
    beats = []
    for value in filter(None, values):
        with suppress(BadMessage):
            beats.append(decode(value))
    return sorted((beat for beat in beats if beat.at_ms <= latest), key=lambda beat: beat.id)


def stop(client: redis.Redis, worker_id: str) -> None:
    """Remove the heartbeat of a worker that shuts down."""
    client.delete(keys.worker(worker_id))
    failpoint("heartbeat.withdrawn")
    client.zrem(keys.WORKERS, worker_id)


def decode(data: bytes) -> Heartbeat:
    """The heartbeat in `data`. Raises BadMessage."""
    try:
        return msgspec.json.decode(data, type=Heartbeat)
    except MISFITS as error:
        raise BadMessage(f"not a heartbeat: {error}") from error


def server_ms(client: redis.Redis) -> int:
    """The server's clock, in milliseconds since 1970."""
    seconds, micros = client.time()
    return seconds * 1000 + micros // 1000
