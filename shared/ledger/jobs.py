"""Which versions of a model the jobs in Redis are pinned to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import msgspec
import redis

from shared import keys
from shared.errors import MISFITS
from shared.ledger.heartbeats import server_ms


class Pin(msgspec.Struct):
    """What matters here of a job's record, whichever Hangtag wrote it."""

    name: str
    version: int


def pinned(client: redis.Redis, name: str) -> dict[int, str]:
    """Version -> why it stays, for every job of any machine that Redis knows.

    A job is known until a day after its producer's last sign of life.

    Raises:
        redis.exceptions.RedisError: the server is away.
    """
    found: dict[int, str] = {}
    for job in cast(list[bytes], client.zrange(keys.JOBS, 0, -1)):
        name_of_job = job.decode(errors="replace")
        data = cast(bytes | None, client.hget(keys.job(name_of_job, "record"), "record"))
        try:
            pin = msgspec.json.decode(data or b"", type=Pin)
        except MISFITS:
            continue  # expired: its journal, where it is, brings it back
        if pin.name == name:
            found[pin.version] = f"job {name_of_job} is pinned to it"
    return found


#: A job whose producer was silent for longer is paused: nobody hints at what is left of it.
SILENT_S = 15.0


def outstanding(client: redis.Redis) -> int:
    """Batches that are in Redis and have no result, of jobs whose producers are alive.

    Raises:
        redis.exceptions.RedisError: the server is away.
    """
    since = server_ms(client) / 1000 - SILENT_S
    jobs = cast(Sequence[bytes], client.zrangebyscore(keys.JOBS, since, "+inf"))
    with client.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.hlen(keys.job(job.decode(errors="replace"), "payload"))
        found = pipe.execute(raise_on_error=False)
    return sum(n for n in found if isinstance(n, int))  # a key of another type is no backlog


def memory_share(info: dict[str, int]) -> float:
    """How full the server is, by its INFO on memory."""
    return info["used_memory"] / memory_limit(info)


def memory_limit(info: dict[str, int]) -> float:
    """How many bytes the server may use; without a limit half the machine's."""
    return info.get("maxmemory") or info.get("total_system_memory", 0) / 2 or math.inf
