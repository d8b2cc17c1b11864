"""Where the hints are: in the queue, or on their way to a worker that waits for one."""

from __future__ import annotations

from typing import Any, cast

import redis

from shared import keys
from tests.claims import job_keys
from tests.fleet import Worker


def waits_for_hints(client: redis.Redis, worker: Worker) -> bool:
    """Whether a worker's parent waits in BRPOP on the server."""
    connections = cast(list[dict[str, Any]], client.client_list())
    name = f"-{worker.pid}"
    return any(c["cmd"] == "brpop" and c["name"].endswith(name) for c in connections)


def hints_taken(client: redis.Redis) -> int:
    """How many hints have left the queue. Each batch that waits in Redis has had one."""
    payloads = [key for key in job_keys(client) if key.endswith(":payload")]
    return sum(client.hlen(key) for key in payloads) - client.llen(keys.CLASSIFY_QUEUE)
