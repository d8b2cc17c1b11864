"""The metric families for Prometheus. Names and labels are stable: dashboards depend on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from producer.metrics.counters import WorkerCounters
from producer.metrics.redis_snapshot import Snapshot
from shared import keys

_QUEUES = (keys.CLASSIFY_QUEUE, keys.TRAIN_QUEUE)


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
