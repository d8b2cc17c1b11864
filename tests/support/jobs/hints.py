"""Hints that are lost between the queue and a worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import redis

from shared import keys
from tests.support.jobs.claims import job_keys
from tests.support.processes import procfs
from tests.support.processes.fleet import Producer, Worker, wait_for

#: The command of tests/faults/apps/suspended_producer.py.
PATIENT_PROGRAM = ("tests.faults.apps.suspended_producer",)
_SETTLE_S = 0.3
_NEXT_S = 60.0
#: The producer needs the rest of the second to send its hint.
_IN_TIME_S = 0.3


def lose_a_hint(
    client: redis.Redis,
    producer: Producer,
    worker: Worker,
    leave: Callable[[], object],
    come_back: Callable[[], object],
) -> None:
    """Let the server send the first hint of a suspended producer to an idle worker that cannot
    read it, because `leave` was called during its BRPOP.

    A BRPOP lasts one second, and must not end before the hint: on a busy machine `come_back`
    undoes a `leave` that took too long.
    """
    wait_for(
        "a producer that is about to hint", lambda: procfs.state(producer.pid) == procfs.STOPPED
    )
    deadline = time.monotonic() + _NEXT_S
    while not _left_in_time(client, worker, leave):
        assert time.monotonic() < deadline, "no BRPOP was left in time"
        come_back()
    procfs.go_on(producer.pid)
    wait_for("a hint that has left the queue", lambda: _taken(client) == 1, timeout_s=10)
    time.sleep(_SETTLE_S)
    assert _taken(client) == 1, "no hint was delivered"


def _left_in_time(client: redis.Redis, worker: Worker, leave: Callable[[], object]) -> bool:
    """Wait for the start of a BRPOP, and leave. Whether most of its second remains."""
    before = wait_for("a worker that waits", lambda: _waiting(client, worker))
    deadline = time.monotonic() + _NEXT_S
    while (current := _waiting(client, worker)) in (0, before):  # a pause would cost its second
        assert time.monotonic() < deadline, "there is no next BRPOP"
    started = time.monotonic()
    leave()
    return _waiting(client, worker) == current and time.monotonic() - started < _IN_TIME_S


def _waiting(client: redis.Redis, worker: Worker) -> int:
    """The number of the current BRPOP of the only worker; 0 if there is none."""
    connections = cast(list[dict[str, Any]], client.client_list())
    name = f"-{worker.pid}"
    waiting = [c for c in connections if c["name"].endswith(name) and "b" in c["flags"]]
    calls = client.info("commandstats").get("cmdstat_brpop", {}).get("calls", 0)
    return 1 + calls if waiting else 0


def _taken(client: redis.Redis) -> int:
    """The number of hints that have left the queue. Each waiting batch had one."""
    payloads = [key for key in job_keys(client) if key.endswith(":payload")]
    return sum(client.hlen(key) for key in payloads) - client.llen(keys.CLASSIFY_QUEUE)
