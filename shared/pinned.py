"""Which versions of a model the jobs in Redis are pinned to."""

from __future__ import annotations

from typing import cast

import msgspec
import redis

from shared import keys
from shared.errors import MISFITS


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
