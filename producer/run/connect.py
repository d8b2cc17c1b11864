"""Connects a job to Redis, for one attempt.

A server that has never replied may not exist, or its address may be wrong: an immediate error.
A server that has replied that it is loading, or full, is retried, even if it becomes unreachable.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import redis
from redis.exceptions import BusyLoadingError, RedisError

from producer.job.job_options import KEPT_LABELS, ErrorBudget, JobOptions
from producer.job.job_properties import Pinned
from producer.job.journal import Journal
from producer.machine.stack import BrokerSession
from producer.present.events import PAUSE_S, Events, Outage
from producer.present.formatting import mib
from producer.run.job_queue import JobQueue, delete_job
from producer.run.job_table import JobTable
from producer.run.time_limit import in_time
from producer.run.window import file_limit
from producer.sources.row_files import RowFiles
from shared import runtimes
from shared.broker.access_errors import write_refusal
from shared.broker.address import Address
from shared.broker.celery_app import make_app
from shared.broker.redis_client import GLANCE_TIMEOUT_S, check_server, connect
from shared.broker.runtime_paths import broker_url
from shared.errors import BrokerAway, BrokerRefuses, SetupError, StillOpen
from shared.messages import model_card
from shared.messages.batch import JobRecord, new_id
from shared.messages.model_card import Card
from shared.messages.model_name import ModelName, parse
from shared.registry.mirror_reader import Mirror
from shared.registry.mirror_writer import Incomplete, publish
from shared.registry.registry import Registry
from shared.settings import Settings
from shared.stop import Waits


class Attempt(NamedTuple):
    """Settings and limits of one attempt, from the first connection to the last result."""

    settings: Settings
    events: Events
    waits: Waits
    use: BrokerSession
    budget: ErrorBudget = ErrorBudget()
    deadline: float = float("inf")  #: monotonic
    started: float = 0.0  #: monotonic


class OpenJob(NamedTuple):
    """A started job with its two stores: the journal on disk and the queue in Redis."""

    pinned: Pinned
    journal: Journal
    queue: JobQueue
    row_files: RowFiles  #: where failed rows and lost batches are read again
    table: JobTable | None = None  #: the rows that are written meanwhile, if any


def pin(client: redis.Redis, options: JobOptions, settings: Settings) -> Pinned:
    """A new job pinned to the current version of its model, with the server's file size limit.

    Raises:
        SetupError: there is no such model, its version is damaged, or it has not this runtime.
        redis.exceptions.RedisError: the server is unreachable.
    """
    card = _served(client, parse(options.model), settings)
    record = JobRecord(
        id=new_id(),
        name=card.name,
        version=card.version,
        card_sha256=model_card.card_sha256(card),
        runtime=runtimes.serving(options.runtime, card.only_runtime).name,
        top_k=kept_labels(options, len(card.labels)),
        output=Path(options.output).name.encode(errors="backslashreplace").decode(),
        host=socket.gethostname(),
        created=time.time(),
    )
    return Pinned(record, card, msgspec.structs.replace(options, max_file_bytes=file_limit(client)))


def check_pinned(client: redis.Redis, record: JobRecord, settings: Settings) -> None:
    """Check that the version of a job that has started is there, and the one that it was.

    Raises:
        SetupError: it was removed or is damaged, or another one has its number.
        redis.exceptions.RedisError: the server is unreachable.
    """
    card = _served(client, ModelName(record.name, record.version, None), settings)
    if model_card.card_sha256(card) != record.card_sha256:
        raise SetupError(
            f"{card.ref} is not the version that the table was classified with; start over with "
            "--restart"
        )


def _served(client: redis.Redis, model: ModelName, settings: Settings) -> Card:
    """The card of a version with copies in Redis. Copies that this machine's stack lacks are made
    now: a file of the store may have been restored a moment ago."""
    try:
        return Mirror(client).resolve(model)
    except SetupError:
        if settings.redis_url:
            raise
    registry = Registry(settings.store_path)
    card = registry.resolve(model)
    with suppress(Incomplete):  # maybe for another version
        publish(client, registry)
    try:
        return Mirror(client).resolve(model)
    except SetupError:
        registry.check(card)
        raise


def kept_labels(options: JobOptions, count: int) -> int:
    """How many of the model's `count` labels the journal of a new job has for each image. The table
    displays those that the options name."""
    return count if options.probabilities else min(max(options.top_k or 1, KEPT_LABELS), count)


class Startable(Protocol):
    """A job that is pinned to a version of its model when it starts."""

    @property
    def options(self) -> JobOptions: ...

    @property
    def replaced(self) -> Collection[str]:
        """The ids of earlier jobs, which are deleted when it starts."""

    @property
    def has_started(self) -> bool: ...

    @property
    def record(self) -> JobRecord: ...

    def start(self, pinned: Pinned) -> None: ...


class Connector:
    """Connects a job within the deadline of an attempt."""

    def __init__(self, attempt: Attempt, job: Startable, needs_version: bool = False) -> None:
        """`needs_version`: of a job that has started, its version must exist. Otherwise it does not
        count, since a server that was restarted has no versions for a moment."""
        self._settings, self._events, self._waits, self._use, _, self._deadline, _ = attempt
        self._job, self._needs_version = job, needs_version
        self._outage = Outage(self._events.notice)
        self._replied = False  #: whether the server has ever replied that it is not ready

    def queue(self) -> JobQueue:
        """The queue of the job, which is started if it was not.

        Raises:
            SetupError: there is no server, it is set up wrongly, or there is no such model.
            StillOpen: the deadline has passed, or `hangtag down` has ended this machine's stack.
            Stopped: the caller has stopped it.
        """
        self._use.ensure()
        broker = broker_url(self._settings)
        client = connect(broker, "producer", waits=self._waits)
        # A slow server gets at least this time, even with a shorter --timeout.
        patience_s = max(self._deadline - time.monotonic(), GLANCE_TIMEOUT_S)
        try:
            with in_time(self._waits, patience_s, self._too_late):
                while (queue := self._try(client, broker)) is None:
                    self._pause()
                return queue
        except BaseException:
            client.close()
            raise

    def _too_late(self) -> str:
        return (
            f"Redis {'was not ready' if self._replied else 'did not answer'} within --timeout; "
            "run the same command to retry"
        )

    def _try(self, client: redis.Redis, broker: Address) -> JobQueue | None:
        """The queue; None while the server is not ready."""
        try:
            queue = self._open(client, broker)
        except (RedisError, BrokerRefuses) as error:
            self._waits.check()  # a connection that was cut may give any error
            if isinstance(error, BrokerRefuses):
                raise
            self._handle_error(error, broker)
            return None
        self._outage.over()
        return queue

    def _open(self, client: redis.Redis, broker: Address) -> JobQueue:
        check_server(client)
        if not self._job.has_started:
            for old in self._job.replaced:
                delete_job(client, old)
            self._job.start(pin(client, self._job.options, self._settings))
        else:
            if self._needs_version:
                check_pinned(client, self._job.record, self._settings)
            self._compare_limits(file_limit(client))
        app = make_app(broker, "producer", waits=self._waits)
        queue = JobQueue(client, app, self._job.record, self._settings)
        queue.resume()
        return queue

    def _compare_limits(self, here: int) -> None:
        job_limit = self._job.options.max_file_bytes
        if here < job_limit:
            self._events.notice(
                f"this Redis accepts files up to {mib(here)} (maxmemory), but the job was started "
                f"with {mib(job_limit)}; larger files may wait until maxmemory is raised"
            )

    def _handle_error(self, error: RedisError, broker: Address) -> None:
        why = write_refusal(error)
        if bool(why) or isinstance(error, BusyLoadingError) or _is_closed(error):
            self._replied = True
        if not self._replied:
            raise BrokerAway(
                f"Redis at {broker} does not answer ({error}); "
                "start it, or unset HANGTAG_REDIS_URL to use this machine's stack"
            ) from error
        if why:
            self._outage.over()
            self._events.notice(f"{why}; waiting until there is room")
        else:
            self._outage.report(error)

    def _pause(self) -> None:
        if time.monotonic() > self._deadline:
            raise StillOpen(self._too_late())
        self._waits.sleep(PAUSE_S)
        if self._use.has_ended:
            raise StillOpen(
                "this machine's stack was stopped with hangtag down; "
                "run the same command to restart it"
            )
        self._use.revive()  # the embedded server may have ended meanwhile


def _is_closed(error: BaseException | None) -> bool:
    """Whether the server accepted the connection and closed it: its maxclients is reached, and the
    error reply may be lost with the connection."""
    while error is not None:
        if isinstance(error, BrokenPipeError | ConnectionResetError):
            return True
        error = error.__cause__ or error.__context__
    return False
