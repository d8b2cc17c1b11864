"""Claims in the ledger, and a way to stop a process that holds one."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import NamedTuple, cast

import redis

from shared import keys
from tests.support.processes import procfs
from tests.support.processes.stopwatch import Stopwatch

_POLL_S = 0.002
#: A longer wait means a hang.
_PATIENCE_S = 120.0


class Held(NamedTuple):
    """A claim, as stored in the ledger."""

    job: str
    batch: int
    owner: str  #: host:pid:started/pid:started

    @property
    def parent(self) -> int:
        """The pid of the worker parent."""
        return int(self.owner.split("/")[0].split(":")[-2])

    @property
    def child(self) -> int:
        """The pid of the process that works on the batch."""
        return int(self.owner.split("/")[1].split(":")[0])


def claims(client: redis.Redis) -> list[Held]:
    """Every claim of every job."""
    return [
        Held(key.decode().split(":")[-2], int(batch), value.decode().rpartition("|")[0])
        for key in client.scan_iter(keys.job("*", "owner"))
        for batch, value in cast(dict[bytes, bytes], client.hgetall(key)).items()
    ]


def job_keys(client: redis.Redis) -> list[str]:
    """Every key of any job. A finished job leaves none."""
    return sorted(key.decode() for key in client.scan_iter(f"{keys.PREFIX}job:*"))


def catch(client: redis.Redis, pids: Collection[int], job: str = "") -> Held:
    """Stop one of these processes (SIGSTOP) while it holds a claim, and leave it stopped.

    The server has processed everything that the process sent before the claims are read again, so
    the claim is live until the process continues or dies.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        for held in claims(client):
            if held.child not in pids or (job and held.job != job):
                continue
            procfs.stop(held.child)
            client.ping()
            now = [other for other in claims(client) if other.child == held.child]
            if now:
                return now[0]
            procfs.go_on(held.child)
        assert time.monotonic() < deadline, f"none of {pids} was stopped while busy"
        time.sleep(_POLL_S)


def wait_until_taken_over(client: redis.Redis, lost: Held, timeout_s: float) -> float:
    """Wait until another process claims or finishes the batch of a dead owner; return seconds of a
    stopwatch, which a busy machine slows down, so that the wait has a limit of its own."""
    watch, due_s, last_s = Stopwatch(), time.monotonic() + timeout_s, time.monotonic() + _PATIENCE_S
    while not _taken_over(client, lost):
        if time.monotonic() > due_s:
            left_s = timeout_s - watch.seconds
            is_over = left_s <= 0 or time.monotonic() > last_s
            assert not is_over, f"no process took {lost} over within {timeout_s:.0f} s"
            due_s += left_s
        time.sleep(_POLL_S)
    return watch.seconds


def _taken_over(client: redis.Redis, lost: Held) -> bool:
    if client.getbit(keys.job(lost.job, "done"), lost.batch):
        return True
    if not client.exists(keys.job(lost.job, "record")):
        return True  # the job is finished
    return any(
        (held.job, held.batch) == (lost.job, lost.batch) and held.owner != lost.owner
        for held in claims(client)
    )
