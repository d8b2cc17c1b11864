"""A snapshot of everything that the metrics report.

It takes three round trips, or a few more for a server with thousands of keys. The cost does not
depend on the size of jobs, since only counts and times are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import redis

from producer.journal.snapshot import JobState
from shared import keys
from shared.broker.redis_client import answers
from shared.ledger import heartbeats
from shared.ledger.heartbeats import FUTURE_MS, Heartbeat
from shared.ledger.jobs import SILENT_S, memory_share
from shared.ledger.request_inbox import ALIVE_MS
from shared.registry import packaged
from shared.registry.alias_log import aliases_after, decode_history

#: Keys that the server visits in one step of a SCAN, which takes it about a millisecond.
KEYS_PER_SCAN = 2_000
STATES = (JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED)
_HISTORY = keys.model_history("")
_WORKER = keys.worker("").encode()  # any client may write the rest, also what is not UTF-8


class Snapshot(msgspec.Struct, frozen=True):
    workers: list[Heartbeat]
    jobs: dict[JobState, int]
    outstanding: int  #: batches in Redis without a result, of jobs that run
    oldest_s: float  #: age of the oldest batch under way, see `_age_s`; 0 where there is none
    aliases: list[tuple[str, str, int]]  #: model, alias, version
    requests_open: int
    leases: int  #: requests that a trainer holds
    memory_ratio: float  #: of what the server may use, 0 to 1 and beyond
    now_ms: int  #: by the server's clock


class _Names(NamedTuple):
    """The keys whose content is read."""

    now_ms: int
    memory: dict[str, int]
    jobs: list[tuple[bytes, float]]
    workers: list[bytes]
    requests: list[bytes]
    histories: list[bytes]


class _Job(NamedTuple):
    """The data of a job without its images."""

    at_s: float  #: its producer's last heartbeat
    state: bytes | None
    oldest_ms: bytes | None
    batches: int

    def runs(self, now_ms: int) -> bool:
        """Whether its producer is alive."""
        return self.at_s > now_ms / 1000 - SILENT_S


def take_snapshot(client: redis.Redis) -> Snapshot:
    """Read everything.

    Raises:
        redis.exceptions.RedisError: the server is unreachable.
        BrokerRefuses: it denies access.
    """
    names = _names(client)
    now_ms = names.now_ms
    records, batches, beats, requests, histories = _contents(client, names)
    pairs = zip(names.jobs, records, batches, strict=True)
    jobs = [_job(at, record, held) for (_, at), record, held in pairs]
    running = [job for job in jobs if job.runs(now_ms)]
    states = [_state(job, now_ms) for job in jobs]
    return Snapshot(
        workers=_alive(beats, now_ms),
        jobs={state: states.count(state) for state in STATES},
        outstanding=sum(job.batches for job in running),
        oldest_s=max((_age_s(job, now_ms) for job in running), default=0.0),
        aliases=sorted(_aliases(names.histories, histories)),
        requests_open=len(names.requests),
        leases=sum(_number(at_ms) > now_ms - ALIVE_MS for (at_ms,) in filter(None, requests)),
        memory_ratio=memory_share(names.memory),
        now_ms=now_ms,
    )


def _names(client: redis.Redis) -> _Names:
    histories = list(client.scan_iter(f"{_HISTORY}*", KEYS_PER_SCAN))
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.info("memory")
        pipe.zrange(keys.JOBS, 0, -1, withscores=True)
        pipe.zrange(keys.WORKERS, 0, -1)
        pipe.zrange(keys.REQUESTS, 0, -1)
        (seconds, micros), memory, *listed = answers(pipe)
    jobs, workers, requests = (members or [] for members in listed)
    return _Names(seconds * 1000 + micros // 1000, memory, jobs, workers, requests, histories)


def _contents(client: redis.Redis, names: _Names) -> list[list[Any]]:
    """The records of jobs, their numbers of batches with images, and the content of workers,
    requests and models."""
    with client.pipeline(transaction=False) as pipe:
        for job, _ in names.jobs:
            pipe.hmget(keys.job(_text(job), "record"), ("state", "oldest_ms"))
        for job, _ in names.jobs:
            pipe.hlen(keys.job(_text(job), "payload"))
        for worker in names.workers:
            pipe.get(_WORKER + worker)
        for request in names.requests:
            pipe.hmget(keys.request(_text(request), "state"), ("at_ms",))
        for name in names.histories:
            pipe.get(name)
        values = iter(answers(pipe))
    parts = (names.jobs, names.jobs, names.workers, names.requests, names.histories)
    return [list(islice(values, len(part))) for part in parts]


def _job(at_s: float, record: list[bytes | None] | None, held: int | None) -> _Job:
    state, oldest_ms = record or (None, None)
    return _Job(at_s, state, oldest_ms, held or 0)


def _state(job: _Job, now_ms: int) -> JobState | None:
    """The state as in `hangtag status`; None if the job has expired."""
    if job.state is None:
        return None
    if job.state == b"cancelled":
        return JobState.CANCELLED
    return JobState.RUNNING if job.runs(now_ms) else JobState.PAUSED


def _age_s(job: _Job, now_ms: int) -> float:
    """The age of the oldest batch under way, 0 if there is none.

    It counts from the batch's first offer in this run until its result is in the journal, as of
    the producer's last heartbeat, about once a second.
    """
    oldest_ms = _number(job.oldest_ms)
    return max(0, now_ms - oldest_ms) / 1000 if oldest_ms else 0.0


def _alive(values: Iterable[bytes | None], now_ms: int) -> list[Heartbeat]:
    beats = heartbeats.readable(value for value in values if value)
    return [beat for beat in beats if beat.at_ms <= now_ms + FUTURE_MS]


def _aliases(
    names: Iterable[bytes], histories: Iterable[bytes | None]
) -> Iterator[tuple[str, str, int]]:
    """Every alias, also that of the packaged version, which needs no decision."""
    models = (_text(name).removeprefix(_HISTORY) for name in names)
    decisions = {packaged.NAME: None} | dict(zip(models, histories, strict=True))
    for model, data in decisions.items():
        for alias, version in aliases_after(model, decode_history(data)).items():
            yield model, alias, version


def _number(text: bytes | None) -> int:
    """The number; 0 if it is missing or invalid."""
    return int(text) if text and text.isdigit() and len(text) < 16 else 0


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
