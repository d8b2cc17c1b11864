"""Hints that are lost between the queue and a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import redis

from shared import keys
from tests.support.jobs.claims import job_keys
from tests.support.processes import procfs
from tests.support.processes.fleet import Producer, Worker, wait_for

#: The command of tests/faults/apps/suspended_producer.py.
PATIENT_PROGRAM = ("tests.faults.apps.suspended_producer",)


def lose_a_hint(
    client: redis.Redis,
    producer: Producer,
    worker: Worker,
    leave: Callable[[], object],
    come_back: Callable[[], object],
) -> None:
    """Let the server send the first hint of a suspended producer to an idle worker that cannot
    read it, because `leave` was called during its BRPOP.

    A BRPOP lasts one second. On a busy machine it may end before the hint, which is then taken
    out of the queue with the others, and put back during a later one.
    """
    wait_for(
        "a producer that is about to hint", lambda: procfs.state(producer.pid) == procfs.STOPPED
    )
    sent = _calls(client, "lpush")
    _leave(client, worker, leave)
    procfs.go_on(producer.pid)
    wait_for(
        "a hint for each batch", lambda: _calls(client, "lpush") - sent >= _batches(client) > 0
    )
    while not _left(client, sent):
        procfs.stop(producer.pid)
        hints = cast(list[bytes], client.lrange(keys.CLASSIFY_QUEUE, 0, -1))
        client.delete(keys.CLASSIFY_QUEUE)
        come_back()
        _leave(client, worker, leave)
        client.rpush(keys.CLASSIFY_QUEUE, *hints)
        procfs.go_on(producer.pid)


def _left(client: redis.Redis, sent: int) -> int:
    """The number of hints that have left the queue, of those after the first `sent`: the producer
    repeats a hint that is lost."""
    with client.pipeline() as pipe:
        pipe.info("commandstats")
        pipe.llen(keys.CLASSIFY_QUEUE)
        statistics, queued = pipe.execute()
    return _number(statistics, "lpush") - sent - int(queued)


def _leave(client: redis.Redis, worker: Worker, leave: Callable[[], object]) -> None:
    """Call `leave` soon after the worker's next BRPOP has started."""
    before = _calls(client, "brpop")
    wait_for("a BRPOP", lambda: _calls(client, "brpop") > before and _waits(client, worker), 60.0)
    leave()


def _waits(client: redis.Redis, worker: Worker) -> bool:
    """Whether the server holds a BRPOP of this worker."""
    connections = cast(list[dict[str, Any]], client.client_list())
    name = f"-{worker.pid}"
    return any(c["name"].endswith(name) and "b" in c["flags"] for c in connections)


def _calls(client: redis.Redis, command: str) -> int:
    """How often the server has run a command."""
    return _number(client.info("commandstats"), command)


def _number(statistics: dict[str, Any], command: str) -> int:
    return int(statistics.get(f"cmdstat_{command}", {}).get("calls", 0))


def _batches(client: redis.Redis) -> int:
    """The number of batches that wait."""
    payloads = [key for key in job_keys(client) if key.endswith(":payload")]
    return sum(client.hlen(key) for key in payloads)
