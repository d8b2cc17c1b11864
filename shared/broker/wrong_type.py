"""Keys of ours in Redis that somebody has put something else into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import redis
from redis.exceptions import RedisError, ResponseError

from shared import keys
from shared.broker.access_errors import access_error
from shared.failpoints import failpoint

#: The types of a job's keys.
JOB_TYPES = dict.fromkeys(keys.JOB_PARTS, "hash") | {"done": "string", "results": "stream"}


def is_foreign(error: RedisError) -> bool:
    """Whether a command has failed because a key holds what is not ours: that does not pass."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


def job_types(job_id: str) -> dict[str, str]:
    """Every key that a job may have, and the list of jobs, and their types."""
    return {keys.job(job_id, part): kind for part, kind in JOB_TYPES.items()} | {keys.JOBS: "zset"}


def worker_types(queue: str) -> dict[str, str]:
    """The keys that workers share, and their types."""
    return {queue: "list", keys.WORKERS: "zset"}


def remove(client: redis.Redis, wanted: Mapping[str, str]) -> list[str]:
    """Delete those keys that have another type; answers which.

    What was lost with them is put there again, as after any loss: by whoever knows it.

    Raises:
        redis.exceptions.RedisError: the server is away.
    """
    with client.pipeline(transaction=False) as pipe:
        for key in wanted:
            pipe.type(key)
        found = [cast(bytes, kind).decode() for kind in pipe.execute()]
    pairs = zip(wanted.items(), found, strict=True)
    wrong = [key for (key, kind), has in pairs if has not in (kind, "none")]
    if wrong:
        client.delete(*wrong)
        failpoint("foreign.removed")
    return wrong


def answers(pipe: redis.client.Pipeline) -> list[Any]:
    """Of a pipeline; None where a key holds what is not ours. Other errors are raised."""
    found: list[Any] = pipe.execute(raise_on_error=False)
    for answer in found:
        if isinstance(answer, Exception) and not _is_foreign(answer):
            raise access_error(answer) or answer
    return [None if isinstance(answer, Exception) else answer for answer in found]


def _is_foreign(answer: Exception) -> bool:
    return isinstance(answer, RedisError) and is_foreign(answer)
