"""The metric families for Prometheus. Names and labels are stable: dashboards depend on them.

All of them are made of one snapshot of Redis, in six round trips, or a few more for a server with
thousands of keys. The cost does not depend on the size of jobs: only counts and times are read.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec
import redis
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from producer.job.snapshot import JobState
from shared import keys
from shared.broker.redis_client import answers
from shared.image_status import BY_CODE, Status
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from shared.ledger.jobs import SILENT_S, memory_share
from shared.ledger.request_inbox import ALIVE_MS
from shared.registry import packaged
from shared.registry.alias_log import aliases_after, decode_history

#: Label for failure codes of another version that this one does not know.
OTHER = "other"
CODES = tuple(str(status) for status in BY_CODE if status is not Status.OK)
_Life = tuple[str, int]  #: a worker's id and the start of its counters
#: Keys that the server visits in one step of a SCAN, which takes it about a millisecond.
KEYS_PER_SCAN = 2_000
STATES = (JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED)
_HISTORY = keys.model_history("")
_QUEUES = (keys.CLASSIFY_QUEUE, keys.TRAIN_QUEUE)


class WorkerCounters:
    """The totals of all workers that were seen here, since the first heartbeats.

    Prometheus takes a counter that falls for one that has restarted at 0. So work done before is
    left out: after a restart of this process it would count as new. A worker that has ended stays
    in the sum. Its id names one process, which counts from 0 again after it has restarted itself
    (worker/lifecycle/watchdog.py). Work after the last heartbeat that was seen is not included.
    """

    def __init__(self) -> None:
        self._start_ms: int | None = None
        self._before: dict[_Life, Heartbeat] = {}  # the first seen one of workers that ran before
        self._images: dict[_Life, int] = {}  # the highest reported count of each
        self._failures: dict[_Life, dict[str, int]] = {}
        self._lock = threading.Lock()  # scrapes may be concurrent and out of order

    def add(self, beats: Iterable[Heartbeat], now_ms: int) -> None:
        """Update the counts from the heartbeats of this time, by the server's clock."""
        with self._lock:
            if self._start_ms is None:
                self._start_ms = now_ms
            for beat in beats:
                life = beat.id, beat.since_ms
                if beat.since_ms < self._start_ms:
                    self._before.setdefault(life, beat)
                if beat.images >= self._images.get(life, 0):
                    self._images[life] = beat.images
                    self._failures[life] = beat.failures

    @property
    def images(self) -> int:
        """Number of images that were classified, with or without a label."""
        with self._lock:
            before = sum(beat.images for beat in self._before.values())
            return sum(self._images.values()) - before

    @property
    def failures(self) -> dict[str, int]:
        """Number of images without a label, by status; every status is present."""
        sums = Counter(dict.fromkeys((*CODES, OTHER), 0))
        with self._lock:
            for life, failures in self._failures.items():
                before = self._before[life].failures if life in self._before else {}
                for code, count in failures.items():
                    new = count - max(0, before.get(code, 0))
                    sums[code if code in CODES else OTHER] += max(0, new)
        return dict(sums)


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
    histories = list(client.scan_iter(f"{_HISTORY}*", KEYS_PER_SCAN))
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.info("memory")
        pipe.zrange(keys.JOBS, 0, -1, withscores=True)
        pipe.zrange(keys.REQUESTS, 0, -1)
        (seconds, micros), memory, *listed = answers(pipe)
    now_ms = seconds * 1000 + micros // 1000
    job_beats, requests = (members or [] for members in listed)
    with client.pipeline(transaction=False) as pipe:
        for job, _ in job_beats:
            pipe.hmget(keys.job(_text(job), "record"), ("state", "oldest_ms"))
            pipe.hlen(keys.job(_text(job), "payload"))
        for request in requests:
            pipe.hmget(keys.request(_text(request), "state"), ("at_ms",))
        for name in histories:
            pipe.get(name)
        values = iter(answers(pipe))
    jobs: list[_Job] = []
    for _, at_s in job_beats:
        state, oldest_ms = next(values) or (None, None)
        jobs.append(_Job(at_s, state, oldest_ms, next(values) or 0))
    reported = [(next(values) or (None,))[0] for _ in requests]
    running = [job for job in jobs if job.runs(now_ms)]
    states = [_state(job, now_ms) for job in jobs]
    return Snapshot(
        workers=heartbeats.alive(client),
        jobs={state: states.count(state) for state in STATES},
        outstanding=sum(job.batches for job in running),
        oldest_s=max((_age_s(job, now_ms) for job in running), default=0.0),
        requests_open=len(requests),
        leases=sum(_number(at_ms) > now_ms - ALIVE_MS for at_ms in reported),
        aliases=sorted(_aliases(histories, values)),
        memory_ratio=memory_share(memory),
        now_ms=now_ms,
    )


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


class Families:
    """A collector for prometheus_client. `take` returns None while the server is unreachable.

    The counters restart with the process, which Prometheus expects of counters. They start at the
    snapshot `first`, or where it is None at the first that is taken.
    """

    def __init__(self, take: Callable[[], Snapshot | None], first: Snapshot | None = None) -> None:
        self._take = take
        self._counters = WorkerCounters()
        if first is not None:
            self._counters.add(first.workers, first.now_ms)

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registration takes no snapshot."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family; only `redis_up` if Redis is unreachable, since no other is known."""
        figures = self._take()
        yield gauge("redis_up", "Whether Redis responds.", float(figures is not None))
        if figures is not None:
            self._counters.add(figures.workers, figures.now_ms)
            yield from _backlog(figures)
            yield from self._totals()
            yield from _fleet(figures)
            yield from _models(figures)

    def _totals(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "hangtag_images",
            "Images that workers have classified, with or without a label, since this started.",
            self._counters.images,
        )
        failures = CounterMetricFamily(
            "hangtag_failures", "Images that got no label, by status.", labels=("code",)
        )
        for code, count in self._counters.failures.items():
            failures.add_metric((code,), count)
        yield failures


def gauge(name: str, text: str, value: float) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(f"hangtag_{name}", text, value)


def _backlog(figures: Snapshot) -> Iterator[Metric]:
    yield gauge(
        "batches_outstanding", "Batches in Redis without a result, of running jobs.",
        figures.outstanding,
    )  # fmt: skip
    yield gauge(
        "oldest_batch_age_seconds",
        "How long the oldest batch of a running job has waited for its result; 0 without one.",
        figures.oldest_s,
    )
    jobs = GaugeMetricFamily("hangtag_jobs", "Jobs in Redis, by state.", labels=("state",))
    for state, count in figures.jobs.items():
        jobs.add_metric((state,), count)
    yield jobs
    yield gauge("redis_memory_ratio", "Used share of the server's memory.", figures.memory_ratio)


def _fleet(figures: Snapshot) -> Iterator[Metric]:
    classifying = [beat for beat in figures.workers if beat.queue == keys.CLASSIFY_QUEUE]
    rate = sum(beat.rate for beat in classifying)
    yield gauge("images_per_second", "Images per second of all workers, of late.", rate)
    workers = GaugeMetricFamily("hangtag_workers", "Workers alive, by queue.", labels=("queue",))
    for queue in _QUEUES:
        count = sum(beat.queue == queue for beat in figures.workers)
        workers.add_metric((queue.removeprefix(keys.PREFIX),), count)
    yield workers
    slots = sum(len(beat.children) for beat in classifying)
    yield gauge("slots", "Worker processes that can classify a batch each.", slots)


def _models(figures: Snapshot) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "hangtag_model_version_info",
        "1 for the version that an alias of a model stands for.",
        labels=("name", "alias", "version"),
    )
    for name, alias, version in figures.aliases:
        info.add_metric((name, alias, str(version)), 1)
    yield info
    yield gauge("requests_open", "Requests without an outcome.", figures.requests_open)
    yield gauge("training_leases", "Requests that a trainer works on.", figures.leases)
