"""A job's keys in Redis, as its producer uses them: it offers batches and reads results."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

import msgspec
import redis
from celery import Celery
from redis.exceptions import RedisError

from producer.job.totals import JobCounts
from shared import keys, runtimes
from shared.broker.celery_app import send_hint
from shared.broker.message_filter import CLASSIFY_TASK
from shared.errors import Stopped
from shared.failpoints import failpoint
from shared.ledger.batch_ledger import LOADING, BatchLedger, BatchState
from shared.ledger.heartbeats import server_ms
from shared.messages.batch import JobRecord, encode_job, max_result_bytes
from shared.settings import Settings

#: The number of results that are read, committed and trimmed at once.
RESULTS_PER_READ = 64
#: The queue holds a window of each job; a longer one is rare.
HINTS_READ = 5_000
NO_BATCH = -1
#: The digits of the largest batch number (shared/messages/batch.py).
BATCH_DIGITS = 10


class Result(msgspec.Struct, frozen=True):
    """One entry of the result stream."""

    entry: bytes
    batch: int
    data: bytes


class PublishedProgress(msgspec.Struct, frozen=True):
    """What the producer publishes with each heartbeat of its job."""

    counts: JobCounts
    total: int | None = None  #: files of the job; None while they are not counted
    rate: float = 0.0  #: recent images/s; 0 if unknown
    oldest_s: float | None = None  #: age of the oldest batch under way; None if there is none


class JobQueue:
    """Every method raises redis.exceptions.RedisError when the server is unreachable or full, and
    BrokerRefuses when it denies access or a key is not Hangtag's."""

    def __init__(
        self, client: redis.Redis, app: Celery, record: JobRecord, settings: Settings
    ) -> None:
        self.client = client
        self.record = record
        self._hints = runtimes.find(record.runtime).queue
        self._app = app
        # Its own: those of Celery's pools are shared by all applications of a process.
        self._connection = app.connection_for_write()
        self._producer = app.amqp.Producer(self._connection)
        self._ttl_ms = int(settings.job_ttl_s * 1000)
        self._ledger = BatchLedger(client, record.id, settings.claim_limit_s)
        self._keys = dict(zip(keys.JOB_PARTS, keys.job_keys(record.id), strict=True))

    def resume(self) -> None:
        """Set a cancelled job to running, and clear the errors of earlier runs."""
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hset(self._keys["record"], "state", "running")
            pipe.delete(self._keys["trouble"])
            pipe.hdel(self._keys["crashed"], str(LOADING))
            pipe.pexpire(self._keys["record"], self._ttl_ms)
            pipe.execute()
        failpoint("queue.resumed")

    def touch(self, progress: PublishedProgress) -> None:
        """Publish a heartbeat: write the record, also if Redis lost it, and renew all keys."""
        record = self._keys["record"]
        now_s = server_ms(self.client) / 1000
        fields: dict[Any, Any] = msgspec.structs.asdict(progress.counts)
        fields["found"] = fields.pop("images")
        walking, total = int(progress.total is None), progress.total or 0
        fields |= {"walking": walking, "total": total, "record": encode_job(self.record)}
        fields |= {"rate": progress.rate, "result_bytes": max_result_bytes(self.record.top_k)}
        fields["flagged"] = msgspec.json.encode(progress.counts.flagged)
        # A time, not an age: readers compute the age when they read it.
        oldest_s = progress.oldest_s
        fields["oldest_ms"] = 0 if oldest_s is None else int(1000 * (now_s - oldest_s))
        with self.client.pipeline(transaction=True) as pipe:
            pipe.hset(record, mapping=fields)
            pipe.hsetnx(record, "state", "running")
            for key in self._keys.values():
                pipe.pexpire(key, self._ttl_ms)
            pipe.zadd(keys.JOBS, {self.record.id: now_s})
            pipe.execute()
        failpoint("queue.touched")

    def renew(self) -> None:
        """Extend the expiry of the job's keys: a full server refuses `touch`, but not this."""
        with self.client.pipeline(transaction=False) as pipe:
            for key in self._keys.values():
                pipe.pexpire(key, self._ttl_ms)
            pipe.execute()

    def offer(self, batches: Iterable[tuple[int, bytes]]) -> None:
        """Put the images of batches into Redis, then send a hint for each."""
        payload = self._keys["payload"]
        for n, blob in batches:
            with self.client.pipeline(transaction=True) as pipe:
                pipe.hset(payload, str(n), blob)
                pipe.pexpire(payload, self._ttl_ms)
                pipe.execute()
            failpoint("queue.images-put")
            self.hint(n)

    def hint(self, batch: int) -> None:
        """Send a hint. A lost one delays its batch; a duplicate has no effect."""
        queue, job = self._hints, self.record.id
        send_hint(self._app, CLASSIFY_TASK, queue, job, batch, producer=self._producer)

    def results(self, block_ms: int) -> list[Result]:
        """Results from the start of the stream, which holds only uncommitted ones."""
        stream = self._keys["results"]
        reply = cast(
            Any,
            self.client.xread({stream: "0"}, count=RESULTS_PER_READ, block=block_ms or None),
        )
        if not reply:
            return []
        entries = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))[0]
        return [_result(entry, fields) for entry, fields in entries]

    def trim(self, results: Sequence[Result]) -> None:
        """Delete exactly these entries, which are committed."""
        if results:
            self.client.xdel(self._keys["results"], *(result.entry for result in results))
            failpoint("queue.trimmed")

    def survey(
        self, batches: Sequence[int], workers: Collection[str] = ()
    ) -> tuple[str, list[BatchState]]:
        """The job's state, given the workers that are alive, and that of each batch."""
        return self._ledger.survey(batches, workers)

    def reopen(self, batch: int) -> None:
        """Reopen a done batch whose result is lost, or is invalid and about to be trimmed. The
        reconciler offers it again."""
        if not self.client.getbit(self._keys["done"], batch):
            return  # its result is read again, after a fault; a worker may hold the batch by now
        with self.client.pipeline(transaction=True) as pipe:
            pipe.setbit(self._keys["done"], batch, 0)
            # Its worker has finished it, and does not work on it any more.
            pipe.hdel(self._keys["owner"], str(batch))
            pipe.pexpire(self._keys["done"], self._ttl_ms)
            pipe.execute()
        failpoint("queue.batch-reopened")

    def trouble(self) -> str:
        """Why a worker returned a batch; empty if none did."""
        text = cast(bytes | None, self.client.hget(self._keys["trouble"], "why"))
        return "" if text is None else text.decode(errors="replace")

    def hints_queued(self) -> int:
        """The number of this job's hints in the queue. A message has the job's id in plain text."""
        job = self.record.id.encode()
        queued = cast(list[bytes], self.client.lrange(self._hints, 0, HINTS_READ))
        return sum(job in message for message in queued)

    def finish(self) -> None:
        """Delete the job's keys; if the server is unreachable, they expire."""
        with suppress(RedisError, Stopped):
            delete_job(self.client, self.record.id)

    def close(self) -> None:
        """Close its connections."""
        self._connection.release()
        self.client.close()


def _result(entry: bytes, fields: dict[bytes, bytes]) -> Result:
    """An entry of the stream. One that no worker wrote has NO_BATCH, and is trimmed."""
    number, data = fields.get(b"b", b""), fields.get(b"r", b"")
    batch = int(number) if number.isdigit() and len(number) <= BATCH_DIGITS else NO_BATCH
    return Result(entry, batch, data)


def delete_job(client: redis.Redis, job: str) -> None:
    """Delete every key of a job. Raises RedisError."""
    with client.pipeline(transaction=True) as pipe:
        pipe.delete(*keys.job_keys(job))
        pipe.zrem(keys.JOBS, job)
        pipe.execute()
    failpoint("queue.left")
