"""How much work waits for workers, over all jobs. It costs the same for a job of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import redis

from shared import keys
from shared.heartbeat import server_ms

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
