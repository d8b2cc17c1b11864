"""Hangtag's keys in Redis that another client has overwritten with another type."""

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
    """Whether a command failed because a key has the wrong type; retrying does not help."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


def job_types(job_id: str) -> dict[str, str]:
    """Every key that a job may have, and the set of jobs, with their types."""
    return {keys.job(job_id, part): kind for part, kind in JOB_TYPES.items()} | {keys.JOBS: "zset"}


def worker_types(queue: str) -> dict[str, str]:
    """The keys that workers share, with their types."""
    return {queue: "list", keys.WORKERS: "zset"}


def remove(client: redis.Redis, wanted: Mapping[str, str]) -> list[str]:
    """Delete the keys that have another type; returns their names.

    Their content is restored as after any other loss of data.

    Raises:
        redis.exceptions.RedisError: the server is unreachable.
    """
    with client.pipeline(transaction=False) as pipe:
        for key in wanted:
            pipe.type(key)
        types = [cast(bytes, kind).decode() for kind in pipe.execute()]
    pairs = zip(wanted.items(), types, strict=True)
    wrong = [key for (key, kind), actual in pairs if actual not in (kind, "none")]
    if wrong:
        client.delete(*wrong)
        failpoint("foreign.removed")
    return wrong


def answers(pipe: redis.client.Pipeline) -> list[Any]:
    """The replies of a pipeline; None for a key of the wrong type. Raises every other error."""
    replies: list[Any] = pipe.execute(raise_on_error=False)
    for answer in replies:
        if isinstance(answer, Exception) and not _is_foreign(answer):
            raise access_error(answer) or answer
    return [None if isinstance(answer, Exception) else answer for answer in replies]


def _is_foreign(answer: Exception) -> bool:
    return isinstance(answer, RedisError) and is_foreign(answer)
