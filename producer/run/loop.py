"""The producer's loop from the first file to the last result.

Each turn commits results and new batches to the journal before Redis, which may lose them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from redis.exceptions import RedisError

from producer.job.records import FrozenBatch, StoredResult
from producer.job.skipped import Unlisted, passed_over
from producer.present.events import PAUSE_S, Found, Outage
from producer.run.batcher import Batch, resumed
from producer.run.connect import Attempt, OpenJob
from producer.run.file_transport import Transport
from producer.run.job_queue import PublishedProgress, Result
from producer.run.loop_report import FileCount, LoopReport
from producer.run.new_files import NewFiles
from producer.run.reconciler import Reconciler
from producer.run.window import SendLimits
from shared import runtimes
from shared.broker.access_errors import write_refusal
from shared.errors import BadMessage, BrokerRefuses, Exit, SetupError, Stopped
from shared.messages.batch import JobRecord, decode_result
from shared.throughput import Rate

#: How often the ledger, the workers and Redis' memory are polled.
POLL_EVERY_S = 1.0
#: More often before the first results, when workers have just been started.
POLL_EVERY_AT_FIRST_S = 0.2
AT_FIRST_S = 5.0
BLOCK_MS = 100
#: The time in each turn for counting new files, and that for writing rows.
SLICE_S = 0.02


class DispatchLoop:
    """One attempt at finishing a job. A stop ends its waits, and itself between two steps."""

    def __init__(self, attempt: Attempt, job: OpenJob, new: NewFiles | None = None) -> None:
        settings, self._events, self._waits, self._use, self._budget, self._deadline, _ = attempt
        self._pinned, self._journal, self._queue, row_files, self._table = job
        options = job.pinned.options
        self._transport = Transport(options, settings)
        self._batches = resumed(row_files, settings, self._transport, job.journal)
        self._reconciler = Reconciler(job, settings.orphan_s, self._transport)
        self._new = new  #: new files are counted while the job runs
        runtime = runtimes.find(job.pinned.record.runtime)
        self._limits = SendLimits(runtime, job.journal.totals.done)
        self._rate = Rate()
        self._count = FileCount(row_files.sources, job.journal.file_count)
        self._report = LoopReport(attempt, runtime)
        self._started = time.monotonic()
        self._done_before = job.journal.totals.done  #: in earlier runs
        self._poll_due = 0.0
        self._outage = Outage(self._events.notice)
        self._end: Exit | None = None  #: why the loop ends before the job

    @property
    def skipped(self) -> dict[str, int]:
        """Entries that the walk skipped, by reason, in this run and in earlier ones."""
        return dict(self._batches.skipped)

    @property
    def unlisted(self) -> Unlisted:
        """The folders that could not be listed, in this run and in earlier ones."""
        return self._batches.unlisted

    @property
    def complete(self) -> bool:
        """Whether every file has its row."""
        return self._batches.exhausted and not self._reconciler.under_way

    def execute(self) -> Exit:
        """Run until the job is finished (OK or SOME_FAILED) or must stop (other codes)."""
        for n in self._journal.open_batches():
            self._reconciler.offered(n)
        while not self._ended():
            with suppress(Stopped):
                self._try()
                self._count_new()
        with suppress(Stopped):
            while self._end is None and not self._count_new():
                self._waits.check()
        return self._outcome()

    def _count_new(self) -> bool:
        """Count new files for one slice of time. Returns whether all are counted."""
        if self._new is None:
            return True
        self._new.advance(SLICE_S)
        return self._new.over

    def _try(self) -> None:
        try:
            self._turn()
            self._outage.over()
        except (RedisError, BrokerRefuses) as error:
            self._waits.check()  # a connection that was cut may give any error
            if isinstance(error, BrokerRefuses):
                raise
            if why := write_refusal(error):
                self._refused(why)
            else:
                self._unreachable(error)

    def _ended(self) -> bool:
        totals = self._journal.totals
        if self._budget.exceeded(totals.failed, totals.done, self.complete):
            self._end = Exit.BUDGET
        elif self.complete:
            return True
        elif self._waits.is_ending or time.monotonic() > self._deadline:
            self._end = self._end or Exit.INTERRUPTED
        return self._end is not None

    def _outcome(self) -> Exit:
        if self._end is not None and (self._end is Exit.BUDGET or not self.complete):
            return self._end
        incomplete = self._journal.totals.failed or self.unlisted.count
        return Exit.SOME_FAILED if incomplete else Exit.OK

    def _turn(self) -> None:
        refused = self._polled() if time.monotonic() >= self._poll_due else None
        room = 0 if self._batches.exhausted else self._limits.room(self._reconciler.under_way)
        self._exchange(0 if room > 0 else BLOCK_MS, fill=True)
        if self._table is not None:
            self._table.advance(SLICE_S)  # now that the workers have batches
        if refused is not None:
            raise refused

    def _polled(self) -> RedisError | None:
        """Poll. Returns the server's refusal of a batch, if any: new ones may be smaller."""
        try:
            self._poll()
        except RedisError as error:
            if not write_refusal(error):
                raise
            return error
        return None

    def _exchange(self, block_ms: int, fill: bool) -> None:
        """Read results, and offer new batches if `fill`."""
        results = self._queue.results(block_ms)
        good = [stored for result in results if (stored := self._checked(result)) is not None]
        for stored in good:
            self._reconciler.finished(stored.n)
            self._transport.finished(stored.n)
        batches = list(self._next_batches()) if fill else []
        if good or batches:
            also = self._count.unstored()
            if batches:
                also |= passed_over(batches[-1].skipped, batches[-1].unlisted)
            self._commit([batch.frozen for batch in batches], good, also)
        if good:
            self._limits.finished(self._journal.totals.done)
        # They count as under way even if the server fails: `complete` relies on it.
        for batch in batches:
            self._reconciler.offered(batch.frozen.n)
            if batch.refers:
                self._transport.sent(batch.frozen.n)
        self._queue.trim(results)
        self._queue.offer((batch.frozen.n, batch.blob) for batch in batches)
        self._report_progress()

    def _checked(self, result: Result) -> StoredResult | None:
        """The result for the journal; None if its batch is not open, or if it is invalid: then its
        batch is repeated."""
        count = self._journal.open_count(result.batch)
        if count is None:
            return None
        record, card, _ = self._pinned
        try:
            decoded = decode_result(result.data, count).check_labels(record.top_k, len(card.labels))
            return StoredResult.of(result.batch, result.data, decoded)
        except BadMessage as error:
            again = f"batch {result.batch} has an invalid result; repeating it"
            self._events.notice(f"{again}: {error}")
            self._queue.reopen(result.batch)
            return None

    def _next_batches(self) -> Iterator[Batch]:
        """The batches to offer in this turn."""
        for most in self._limits.of_turn(self._reconciler.under_way):
            if self._waits.is_ending:
                return
            batch = self._batches.next(most)
            if batch is None:
                return
            self._limits.sent(len(batch.blob))
            yield batch

    def _commit(
        self, frozen: list[FrozenBatch], results: list[StoredResult], also: dict[str, bytes]
    ) -> None:
        try:
            self._journal.commit(frozen, results, **also)
        except SetupError:
            if not self._free_disk():
                raise
            self._journal.commit(frozen, results, **also)

    def _free_disk(self) -> bool:
        """Remove the rows that are written so far, since they may fill a disk that is needed now.
        Returns whether there were any."""
        return self._table is not None and self._table.stop_growing()

    def _stack_ended(self) -> bool:
        """Whether this machine's stack was stopped on purpose. Then this run stops, too."""
        if not self._use.has_ended:
            return False
        self._events.notice("this machine's stack was stopped with hangtag down; the job stops")
        self._end = self._end or Exit.INTERRUPTED
        return True

    def _poll(self) -> None:
        if self._stack_ended():
            return
        now = time.monotonic()
        early = now - self._started < AT_FIRST_S
        totals = self._journal.totals
        waits = early and totals.done == self._done_before
        self._poll_due = now + (POLL_EVERY_AT_FIRST_S if waits else POLL_EVERY_S)
        rate = self._rate.mark(now, totals.done)
        progress = PublishedProgress(totals, self._total, rate, self._reconciler.oldest_s)
        self._queue.touch(progress)
        if self._journal.lost:
            raise SetupError(
                f"{self._journal.path} was removed while the job ran; "
                "the same command starts the job over"
            )
        # Before the reconciler: the server may refuse its batch, yet accept smaller ones.
        self._limits.measure(self._queue.client)
        state = self._reconciler.poll(self._limits.window.workers)
        if state == "cancelled":
            self._end = Exit.CANCELLED
        elif state == "deadly":
            raise SetupError(_model_crashes(self._pinned.record))
        trouble = self._transport.explained(self._queue.trouble())
        self._report.state(self._limits.window, trouble, early)

    def _report_progress(self) -> None:
        if self._events.wants(Found):
            self._count.advance()
        self._report.progress(self._journal.totals, self._total)

    @property
    def _total(self) -> int | None:
        """The number of files; None until they are counted."""
        images, total = self._journal.totals.images, self._count.total
        if self._batches.exhausted:
            return images
        return None if total is None else max(images, total)

    def _refused(self, why: str) -> None:
        self._outage.over()
        self._events.notice(f"{why}; waiting until there is room")
        self._free_disk()  # the server may write to it
        self._report_progress()
        # A full server still accepts reads, which make room, and renewals of keys.
        with suppress(RedisError):
            self._exchange(0, fill=False)
            self._queue.renew()
        self._waits.sleep(PAUSE_S)

    def _unreachable(self, error: RedisError) -> None:
        if self._stack_ended():
            return
        self._outage.report(error)
        self._poll_due = 0.0
        self._report_progress()
        self._waits.sleep(PAUSE_S)
        self._use.revive()


def _model_crashes(record: JobRecord) -> str:
    return (
        f"worker processes crash while loading {record.name}@{record.version} ({record.runtime}); "
        "check the workers' logs, and run the same command to retry, or choose another --model"
    )
