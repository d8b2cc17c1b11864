"""The producer's loop from the first file to the last result.

Each turn commits results and new batches to the journal before Redis, which may lose them.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

from redis.exceptions import RedisError

from producer.dispatch.attempt import Attempt, OpenJob
from producer.dispatch.batch_feed import BatchFeed
from producer.dispatch.batcher import passed_over, resumed
from producer.dispatch.file_count import FileCount
from producer.dispatch.interrupts import InterruptibleWaits, WaitInterrupted
from producer.dispatch.job_queue import PublishedProgress
from producer.dispatch.new_files import NewFiles
from producer.dispatch.reconciler import Reconciler
from producer.dispatch.result_intake import ResultIntake
from producer.dispatch.window import Window
from producer.fleet.workers import how_to_start, older_workers
from producer.inputs.file_transport import Transport
from producer.inputs.skipped import Unlisted
from producer.present.meter import Meter
from producer.present.outage import PAUSE_S, Outage
from shared.broker.access_errors import write_refusal
from shared.errors import Exit, SetupError
from shared.messages.job import JobRecord, generation
from shared.throughput import Rate

#: How often the ledger, the workers and Redis' memory are polled.
POLL_EVERY_S = 1.0
#: More often at the start, when workers have just been started.
POLL_EVERY_AT_FIRST_S = 0.2
AT_FIRST_S = 5.0
BLOCK_MS = 100
#: The time in each turn for counting new files.
SLICE_S = 0.02


class DispatchLoop:
    """One attempt at finishing a job. `stop` ends it between two turns."""

    def __init__(self, attempt: Attempt, job: OpenJob, new: NewFiles | None = None) -> None:
        settings, self._report, self._use, self._budget, self._deadline = attempt
        self._pinned, self._journal, self._queue, row_files = job
        options = job.pinned.options
        self._transport = Transport(options, settings)
        self._batches = resumed(options, settings, job.journal, self._transport, row_files)
        self._reconciler = Reconciler(job, settings.orphan_s, self._transport)
        self._new = new  #: new files are counted while the job runs
        self._feed = BatchFeed(self._batches, generation(job.pinned.record))
        self._rate = Rate()
        self._meter = Meter()
        self._count = FileCount(options, job.journal.file_count)
        self._how_to_start, self._own_stack = how_to_start(settings), not settings.redis_url
        self._about_older_workers = partial(older_workers, settings)
        self._intake = ResultIntake(job, attempt.report)
        self._started = time.monotonic()
        self._poll_due = 0.0
        self._outage, self._waits = Outage(attempt.report.notice), InterruptibleWaits()
        self._stop: Exit | None = None

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

    def stop(self) -> None:
        """End soon, on a signal or the time limit, and leave a job that can be resumed.

        Called from a signal handler: interrupts a wait for Redis, and nothing else.
        """
        self._stop = self._stop or Exit.INTERRUPTED
        self._waits.cut()

    def execute(self) -> Exit:
        """Run until the job is finished (OK or SOME_FAILED) or must stop (other codes)."""
        for n in self._journal.open_batches():
            self._reconciler.offered(n)
        while not self._ended():
            with suppress(WaitInterrupted):
                self._try()
            self._count_new()
        while self._stop is None and not self._count_new():
            pass
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
        except RedisError as error:
            if why := write_refusal(error):
                self._refused(why)
            else:
                self._unreachable(error)

    def _ended(self) -> bool:
        totals = self._journal.totals
        if self._budget.exceeded(totals.failed, totals.done, self.complete):
            self._stop = Exit.BUDGET
        elif self.complete:
            return True
        elif time.monotonic() > self._deadline:
            self._stop = Exit.INTERRUPTED
        return self._stop is not None

    def _outcome(self) -> Exit:
        if self._stop is not None and (self._stop is Exit.BUDGET or not self.complete):
            return self._stop
        incomplete = self._journal.totals.failed or self.unlisted.count
        return Exit.SOME_FAILED if incomplete else Exit.OK

    def _turn(self) -> None:
        if time.monotonic() >= self._poll_due:
            with self._waits.waiting():
                self._poll()
        room = self._feed.room(self._reconciler.under_way)
        self._exchange(0 if room > 0 else BLOCK_MS, fill=True)

    def _exchange(self, block_ms: int, fill: bool) -> None:
        """Read results, and offer new batches if `fill`."""
        with self._waits.waiting():
            results = self._queue.results(block_ms)
        good = [r for result in results if (r := self._intake.checked(result)) is not None]
        for recorded in good:
            self._reconciler.finished(recorded.n)
            self._transport.finished(recorded.n)
        batches = self._feed.next(self._reconciler.under_way) if fill else []
        if good or batches:
            also = {**passed_over(batches), **self._count.unstored()}
            self._journal.commit([batch.frozen for batch in batches], good, **also)
        if good:
            self._feed.finished(self._journal.totals.done)
        # They count as under way even if the server fails: `complete` relies on it.
        for batch in batches:
            self._reconciler.offered(batch.frozen.n)
            if batch.refers:
                self._transport.sent(batch.frozen.n)
        with self._waits.waiting():
            self._queue.trim(results)
            self._queue.offer((batch.frozen.n, batch.blob) for batch in batches)
        self._report_progress()

    def _stack_ended(self) -> bool:
        """Whether this machine's stack was stopped on purpose. Then this run stops, too."""
        if not self._use.over:
            return False
        self._report.notice("this machine's stack was stopped with hangtag down; the job stops")
        self._stop = self._stop or Exit.INTERRUPTED
        return True

    def _poll(self) -> None:
        if self._stack_ended():
            return
        now = time.monotonic()
        early = now - self._started < AT_FIRST_S
        self._poll_due = now + (POLL_EVERY_AT_FIRST_S if early else POLL_EVERY_S)
        totals = self._journal.totals
        rate = self._rate.mark(now, totals.done)
        self._queue.touch(PublishedProgress(totals, self._total, rate, self._reconciler.oldest_s))
        if self._journal.lost:
            raise SetupError(
                f"{self._journal.path} was removed while the job ran; "
                "the same command starts the job over"
            )
        # Before the reconciler: the server may refuse its batch, yet accept smaller ones.
        self._feed.measure(self._queue.client)
        state = self._reconciler.poll(self._feed.window.workers)
        if state == "cancelled":
            self._stop = Exit.CANCELLED
        elif state == "deadly":
            raise SetupError(_model_crashes(self._pinned.record))
        self._report_state(early)

    def _report_state(self, early: bool) -> None:
        window = self._feed.window
        self._meter.awaits(self._awaited(window))
        if window.full:
            tenths = int(10 * window.memory_share)  # a line for each percent is too many
            full = f"Redis' memory is over {tenths}0 % full"
            self._report.notice(f"{full}; waiting for workers to make room")
        elif not window.workers and not early:
            self._report.notice(self._about_older_workers(window.older) or self._how_to_start)
        else:
            trouble = self._transport.explained(self._queue.trouble())
            self._report.notice(trouble or self._about_older_workers(window.older))

    def _awaited(self, window: Window) -> str:
        """What the first results wait for."""
        if window.workers:
            return "waiting for the first results"
        return "starting this machine's workers" if self._own_stack else "waiting for a worker"

    def _report_progress(self) -> None:
        if self._report.has_figures:
            self._count.advance()
        totals = self._journal.totals
        self._meter.note(totals.done, self._total, totals.found, totals.failed)
        self._report.show(self._meter)

    @property
    def _total(self) -> int | None:
        """The number of files; None until they are counted."""
        frozen, total = self._journal.totals.found, self._count.total
        if self._batches.exhausted:
            return frozen
        return None if total is None else max(frozen, total)

    def _refused(self, why: str) -> None:
        self._outage.over()
        self._report.notice(f"{why}; waiting until there is room")
        self._report_progress()
        # A full server still accepts reads, which make room, and renewals of keys.
        with suppress(RedisError):
            self._exchange(0, fill=False)
            with self._waits.waiting():
                self._queue.renew()
        with self._waits.waiting():
            time.sleep(PAUSE_S)

    def _unreachable(self, error: RedisError) -> None:
        if self._stack_ended():
            return
        self._outage.report(error)
        self._poll_due = 0.0
        self._report_progress()
        with self._waits.waiting():
            time.sleep(PAUSE_S)
            self._use.revive()


def _model_crashes(record: JobRecord) -> str:
    return (
        f"worker processes crash while loading {record.name}@{record.version} ({record.runtime}); "
        "check the workers' logs; run the same command to retry, or choose another --model"
    )
