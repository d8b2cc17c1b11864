"""The reconciler: repeats hints and payloads that Celery, workers or Redis have lost."""

from __future__ import annotations

import time
from collections.abc import Collection

from redis.exceptions import RedisError

from producer.run.batcher import read_batch_again
from producer.run.connect import OpenJob
from producer.run.file_transport import Transport
from shared.broker.access_errors import write_refusal
from shared.ledger.batch_ledger import BatchState
from shared.messages.batch import encode_images
from shared.messages.files import digests, filled


class Reconciler:
    """Watches the batches under way. A result is a pure function of the frozen batch and the
    pinned version, so a duplicate or late result is valid."""

    def __init__(self, job: OpenJob, orphan_s: float, transport: Transport) -> None:
        self._queue, self._journal, self._row_files = job.queue, job.journal, job.row_files
        self._orphan_s, self._transport = orphan_s, transport
        #: Batch -> start of its time with a hint and without an owner (monotonic).
        self._waiting: dict[int, float] = {}
        #: Batch -> time of its first offer in this run (monotonic).
        self._since: dict[int, float] = {}
        self._seen_done: set[int] = set()

    @property
    def under_way(self) -> int:
        """The number of batches that were offered and are not finished."""
        return len(self._waiting)

    def offered(self, batch: int) -> None:
        """Record a batch that is about to be offered, or is left from an earlier run."""
        self._waiting[batch] = self._since[batch] = time.monotonic()

    def finished(self, batch: int) -> bool:
        """Record that a batch has its result. Returns whether it was under way."""
        self._seen_done.discard(batch)
        self._since.pop(batch, None)
        return self._waiting.pop(batch, None) is not None

    @property
    def oldest_s(self) -> float | None:
        """The waiting time of the oldest batch under way, in this run."""
        since = min(self._since.values(), default=None)
        return None if since is None else time.monotonic() - since

    def poll(self, workers: Collection[str] = ()) -> str:
        """Compare with the ledger and repair; returns the job's state, given the live workers.

        Raises:
            RedisError: also if the server refuses a batch, after the other batches are repaired.
        """
        batches = list(self._waiting)
        state, states = self._queue.survey(batches, workers)
        if state == "cancelled":
            return state
        seen = dict(zip(batches, states, strict=True))
        refused = self._repair(seen)
        self._hint_orphans([n for n, s in seen.items() if s is BatchState.FREE])
        if refused is not None:
            raise refused
        return state

    def _repair(self, seen: dict[int, BatchState]) -> RedisError | None:
        """Returns the server's refusal of a batch, if any. It is not raised at once: a smaller
        batch may fit."""
        refused = None
        for n, state in seen.items():
            try:
                self._repair_batch(n, state)
            except RedisError as error:
                if not write_refusal(error):
                    raise
                refused = error
        return refused

    def _repair_batch(self, n: int, state: BatchState) -> None:
        if state is BatchState.HELD:
            self._waiting[n] = time.monotonic()
        elif state is BatchState.FREED:
            self._hint(n)
        elif state is BatchState.LOST:
            self._transport.lost(n, self._queue.trouble)
            self._offer_again(n)
        elif state is BatchState.DONE:
            self._done_without_result(n)

    def _done_without_result(self, n: int) -> None:
        # Its result may have arrived between reading the stream and this survey: check twice.
        if n not in self._seen_done:
            self._seen_done.add(n)
            return
        self._seen_done.discard(n)
        self._queue.reopen(n)
        self._offer_again(n)

    def _hint_orphans(self, free: list[int]) -> None:
        now = time.monotonic()
        orphans = [n for n in free if now - self._waiting[n] > self._orphan_s]
        if not orphans:
            return
        # At most one hint for each batch without an owner, so that an unread queue does not grow.
        room = len(free) - self._queue.hints_queued()
        for n in orphans[: max(0, room)]:
            self._hint(n)

    def _offer_again(self, n: int) -> None:
        self._waiting[n] = time.monotonic()
        frozen = self._journal.batch(n)
        images = read_batch_again(self._row_files, frozen)
        # A worker returns digests only of the files that it opens itself.
        known = filled(frozen.digests, digests(images))
        if known != frozen.digests:
            self._journal.note_digests(n, known)
        self._queue.offer([(n, encode_images(images))])

    def _hint(self, n: int) -> None:
        self._waiting[n] = time.monotonic()
        self._queue.hint(n)
