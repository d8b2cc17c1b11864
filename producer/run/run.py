"""One attempt at an opened job: it is finished, or left so that it can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from producer.job.job_properties import AttemptResult
from producer.job.journal import discard_next
from producer.job.skipped import Unlisted
from producer.job.snapshot import JobState, JobView, view_of
from producer.present.events import Events, Stage, Started
from producer.present.formatting import counted
from producer.run.connect import Attempt, Connector, OpenJob
from producer.run.job import Job
from producer.run.job_queue import JobQueue
from producer.run.loop import DispatchLoop
from producer.run.new_files import NewFiles
from producer.sources.row_files import RowFiles
from producer.table.output_path import PART_SUFFIX
from producer.table.promise import promised_view
from producer.table.table_formats import TooManyRows
from producer.versions.catalog import learned_labels
from shared.errors import BrokerAway, Exit, SetupError
from shared.labels.label_line import LabelLine
from shared.messages.model_card import Card
from shared.settings import Settings

#: What a program reads of the job at the end of an attempt. The names are stable.
_OF_JOB = (
    *("job", "output", "model", "images", "done", "failed", "flagged", "unlisted"),
    *("max_file_bytes", "answers"),
)


class Summary(msgspec.Struct, frozen=True):
    """How an attempt ended."""

    view: JobView  #: with what is promised of its rows, and the result of this attempt
    exit_code: Exit
    part: str = ""  #: path of the rows so far, of a job that --max-failures stopped early
    young: int = 0  #: files that were being written, and are left to the next update

    def as_json(self) -> dict[str, object]:
        """The job and its attempt side by side."""
        return {
            **{name: getattr(self.view, name) for name in _OF_JOB},
            **msgspec.structs.asdict(self.view.attempt),
            "exit_code": int(self.exit_code),
            "part": self.part,
            "young": self.young,
        }


class Run:
    """Owns what the steps of an attempt share: the job, its files, its limits and its broker."""

    def __init__(
        self, job: Job, files: RowFiles, attempt: Attempt, replaces: Job | None = None
    ) -> None:
        """The job may be the next one of a table, which replaces another one once it has all rows;
        until then the table stays. Its version must exist."""
        self.job, self.files, self.attempt = job, files, attempt
        self._waits, self._events = attempt.waits, attempt.events
        self._replaces = replaces

    def work(self, new: NewFiles | None = None, retry_failed: bool = False) -> Summary:
        """Run the job until it is finished or must stop. Raises SetupError, StillOpen, Stopped."""
        connector = Connector(self.attempt, self.job, needs_version=self._replaces is not None)
        with closing(connector.queue()) as queue:
            return self._work(queue, new, retry_failed)

    def _work(self, queue: JobQueue, new: NewFiles | None, retry_failed: bool) -> Summary:
        job, attempt = self.job, self.attempt
        if retry_failed:
            self._report_retry(job.repeat_failed())
        before = job.journal.totals.done
        opened = OpenJob(job.pinned, job.journal, queue, self.files, job.table)
        loop = DispatchLoop(attempt, opened, new)
        job.store_attempt(attempt.budget)
        resumed = 0 if retry_failed or new is None else before
        self._events.report(Started(job.record.id, str(job.output), resumed))
        try:
            with self._waits.within(attempt.deadline - time.monotonic()):
                code = loop.execute()
        except SetupError:
            if job.journal.lost:
                queue.finish()  # without its journal the job cannot be resumed
            raise
        classified = job.journal.totals.done - before
        with closing(self._waits.successor()) as self._waits:
            self.files.sources.wait_as(self._waits)
            if not loop.complete:
                result = self.result(classified, loop.skipped)
                job.store_stop(code, result)
                return self.summary(code, result, self._stopped(code, queue))
            return self.finished(code, classified, loop.skipped, loop.unlisted, queue.finish)

    def finished(
        self,
        code: Exit,
        classified: int,
        skipped: dict[str, int],
        unlisted: Unlisted,
        leave_queue: Callable[[], None] = lambda: None,
    ) -> Summary:
        """Write the table of a job that has all rows, and finish it. `classified` rows are of this
        attempt. Raises SetupError."""
        code, sha256 = self._completed(code)
        leave_queue()  # a hint left behind by a finished job would never go
        result = self.result(classified, skipped)
        self.job.finish(code, sha256, unlisted, result)
        return self.summary(code, result)

    def result(self, classified: int, skipped: dict[str, int]) -> AttemptResult:
        """This attempt, until now."""
        seconds = round(time.monotonic() - self.attempt.started, 3)
        return AttemptResult(classified, seconds, skipped)

    def summary(self, code: Exit, result: AttemptResult, part: str = "") -> Summary:
        """How this attempt ended."""
        job = self.job.journal
        view = view_of(job, job.totals, self.job.output, JobState.PAUSED)
        view = msgspec.structs.replace(view, attempt=result)
        return Summary(promised_view(view, job), code, part)

    def _completed(self, code: Exit) -> tuple[Exit, str]:
        """Write the table of a job that has all rows; return how the job ends, and the SHA-256 of
        the table. Labels that its version has learned are corrections of it. The journal of a next
        job takes its place between the last row and the rename of the table."""
        table, passed = self.job.table, self.passing("comparing corrected files")
        if self._replaces is not None:
            table.follow_decisions()
        learned = learned_of(self.job.card, self.attempt.settings, self._events)
        for line in table.take_learned(learned, passed):
            self._events.notice(line)
        try:
            return code, table.write_table(passed=self._writing(), before_placed=self._replace)
        except TooManyRows:  # the summary says so
            if self._replaces is None:
                return Exit.SETUP, ""
            discard_next(self.job.output)
            raise

    def _replace(self) -> None:
        if self._replaces is not None:
            self.job.journal.replace(self._replaces.journal)

    def write_so_far(self) -> str:
        """Write the rows of an unfinished job beside its table; return their path. Raises
        SetupError, Stopped."""
        part = Path(f"{self.job.output}{PART_SUFFIX}")
        return self.job.table.write_part(part, self._events.notice, self._writing())

    def passing(self, stage: str) -> Callable[[int], None]:
        """What gets the number of rows that have passed a stage, again and again."""
        rows, total = 0, self.job.journal.totals.done

        def passed(more: int) -> None:
            nonlocal rows
            rows += more
            self._events.report(Stage(stage, rows, total))
            self._waits.check()

        return passed

    def _writing(self) -> Callable[[int], None]:
        """The stage of the table, which comes last."""
        return self.passing("writing the table")

    def _stopped(self, code: Exit, queue: JobQueue) -> str:
        """Remove the job from Redis and write its rows, as the code requires; return their path."""
        if code in (Exit.BUDGET, Exit.CANCELLED):
            queue.finish()
        if code is Exit.BUDGET and self._replaces is not None:
            self._events.notice(f"{self.job.output} stays as it was")
        return self.write_so_far() if code is Exit.BUDGET and self._replaces is None else ""

    def _report_retry(self, count: int) -> None:
        retried = f"retrying {counted(count, 'row')} without a label; the others stay"
        none = "no row has failed so far; there is nothing to retry"
        self._events.notice(retried if count else none)


def learned_of(card: Card, settings: Settings, events: Events) -> list[LabelLine]:
    """The labels that a version has learned; a notice if they cannot be read."""
    try:
        return learned_labels(settings, card)
    except (SetupError, BrokerAway) as error:
        events.notice(f"the labels that {card.ref} has learned are not in the table: {error}")
        return []
