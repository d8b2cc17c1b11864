"""The jobs in Redis: the model versions that they are pinned to, and their backlog."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import cast

import msgspec
import redis

from shared import keys
from shared.errors import MISFITS
from shared.ledger.heartbeats import server_ms


class Pin(msgspec.Struct):
    """The fields of a job's record that are read here, whichever version wrote it."""

    name: str
    version: int


def pinned(client: redis.Redis, name: str) -> dict[int, str]:
    """Version -> why it stays, for every job in Redis, of any machine.

    A job stays in Redis until a day after its producer's last heartbeat.

    Raises:
        redis.exceptions.RedisError: the server is unreachable.
    """
    return {
        pin.version: f"job {job} is pinned to it" for job, pin in pins(client) if pin.name == name
    }


def pins(client: redis.Redis) -> Iterator[tuple[str, Pin]]:
    """Each job in Redis and the version that it is pinned to. Raises as `pinned`."""
    for job in cast(list[bytes], client.zrange(keys.JOBS, 0, -1)):
        name = job.decode(errors="replace")
        data = cast(bytes | None, client.hget(keys.job(name, "record"), "record"))
        with suppress(*MISFITS):  # expired; a resume from its journal restores it
            yield name, msgspec.json.decode(data or b"", type=Pin)


#: A job whose producer was silent for longer is paused: no hints are sent for the rest of it.
SILENT_S = 15.0


def outstanding(client: redis.Redis) -> int:
    """Number of batches in Redis without a result, of jobs whose producers are alive.

    Raises:
        redis.exceptions.RedisError: the server is unreachable.
    """
    since = server_ms(client) / 1000 - SILENT_S
    jobs = cast(Sequence[bytes], client.zrangebyscore(keys.JOBS, since, "+inf"))
    with client.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.hlen(keys.job(job.decode(errors="replace"), "payload"))
        lengths = pipe.execute(raise_on_error=False)
    return sum(n for n in lengths if isinstance(n, int))  # skips keys of another type


def memory_share(info: dict[str, int]) -> float:
    """The used share of the server's memory, by its INFO."""
    return info["used_memory"] / memory_limit(info)


def memory_limit(info: dict[str, int]) -> float:
    """Bytes that the server may use; half of the machine's memory if there is no limit."""
    return info.get("maxmemory") or info.get("total_system_memory", 0) / 2 or math.inf
