"""The engine: submit, wait, collect; the same call resumes. It runs in any thread, installs no
signal handler and displays nothing: events go to subscribers, and a stop ends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from producer.dispatch.attempt import Attempt
from producer.dispatch.file_transport import check_below
from producer.dispatch.new_files import NewFiles
from producer.formats.table_file import check_replaceable
from producer.formats.table_formats import check_installed
from producer.inputs.job_options import JobOptions
from producer.jobs import finished_job
from producer.jobs.empty_job import check_not_empty
from producer.jobs.job import Job
from producer.jobs.run import Run, Summary
from producer.locations import row_files
from producer.locations.row_files import RowFiles
from producer.output.output_path import check_folder
from producer.present.events import Events
from producer.present.formatting import counted
from producer.sources.job_sources import JobSources
from producer.sources.piped_list import is_empty, received
from producer.stack.stack import BrokerSession
from shared.errors import SetupError, StillOpen, Stopped, UsageError
from shared.settings import Settings
from shared.stop import Stop, Waits


def classify(
    options: JobOptions,
    settings: Settings,
    *,
    if_finished: str = finished_job.RESTART,
    stdin: BinaryIO | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Summary:
    """Finish a job, or leave it resumable. Of a finished job other display options render the table
    again, also without its folders. `if_finished` ends the notice on one that needs no work.
    `stdin` has the list of a job whose list is standard input; without it the recorded one is used.
    Once it has `stop`ped while it classified, the summary says so.

    Raises:
        UsageError: the arguments or the options do not fit; no job was started.
        SetupError: something outside is at fault; a started job is intact.
        StillOpen: Redis was not ready within --timeout, or no image was found.
        Stopped: it was stopped before or after it classified; a started job can be resumed.
    """
    started = time.monotonic()
    events, retry_failed = events or Events(), options.retry_failed
    deadline = started + options.timeout_s if options.timeout_s else float("inf")
    with (
        closing(Waits(stop or Stop())) as waits,
        closing(opened_job(options, stdin, events, waits)) as job,
        row_files.of_table(job.output, job.options, waits, job.listed) as files,
    ):
        use, budget = BrokerSession(settings, waits), options.max_failures
        run = Run(job, files, Attempt(settings, events, waits, use, budget, deadline, started))
        _report_reopened(job, events)
        with _in_time(waits, deadline):
            absent = _absent(job, files.sources, settings)
            _check_start(job, files.sources, retry_failed, waits)
        new = None if absent else _new_files(job, events, files, waits)
        if not _has_work(job):
            added = _count_new(new, events, absent)
            then = finished_job.notice(job, settings, retry_failed, added, if_finished)
            finished_job.report(job, events, waits, then)
            return run.summary(job.judge(budget), run.result(0, job.journal.attempt.skipped))
        if job.has_started:
            check_replaceable(job.journal, job.output)
        return run.work(new, retry_failed)


@contextmanager
def _in_time(waits: Waits, deadline: float) -> Iterator[None]:
    """Raise StillOpen for a wait for a source that lasts until the deadline."""
    try:
        with waits.within(deadline - time.monotonic()):
            yield
    except Stopped:
        if waits.late:
            raise StillOpen(
                "no image was found within --timeout; run the same command to retry"
            ) from None
        raise


def _has_work(job: Job) -> bool:
    retries = job.options.retry_failed and job.journal.totals.failed > 0
    return job.exit_code is None or retries


def _absent(job: Job, sources: JobSources, settings: Settings) -> str:
    """Why the files of a job that has no work, which needs them for nothing but to count new ones,
    cannot be listed; or empty. Raises UsageError, SetupError for another job, Stopped."""
    try:
        check_sources(sources, settings)
    except (UsageError, SetupError) as error:
        if _has_work(job):
            raise
        return str(error)
    return ""


def check_sources(sources: JobSources, settings: Settings) -> None:
    """Raises UsageError, SetupError, Stopped."""
    sources.check()
    check_below(sources, settings)


def opened_job(options: JobOptions, stdin: BinaryIO | None, events: Events, waits: Waits) -> Job:
    """The job, with its list if that comes from standard input. Raises as `classify`."""
    if not options.is_piped or stdin is None:
        return Job(options, check=waits.check)
    check_folder(Path(options.output))
    with received(stdin, options, waits) as listed:
        job = Job(options, check=waits.check)
        try:
            if job.has_started and is_empty(listed):
                events.notice(
                    "standard input has no list; continuing with the one that the job was started "
                    "with"
                )
            job.take_list(listed)
        except BaseException:
            job.close()
            raise
    return job


def appeared(count: int) -> str:
    """The line on files that are not in the job."""
    have = "has" if count == 1 else "have"
    return (
        f"{counted(count, 'file')} {have} appeared since the job started, without a row; "
        "add the rows of new files with: classify --update"
    )


def _new_files(job: Job, events: Events, files: RowFiles, waits: Waits) -> NewFiles:
    def notice(count: int) -> None:
        events.notice(appeared(count))

    # With --restart the journal still has the earlier job, or cannot be read.
    journal = job.journal if job.has_started else None
    finished = job.exit_code is not None
    return NewFiles(files.sources, journal, finished, notice, files.is_placed, waits.check)


def _count_new(new: NewFiles | None, events: Events, absent: str) -> int:
    if new is None:
        events.notice(f"new files are not counted: {absent}")
        return 0
    new.advance()
    return new.found


def _check_start(job: Job, sources: JobSources, retry_failed: bool, waits: Waits) -> None:
    """Raises UsageError if there is nothing to classify, SetupError if the table's form is not
    installed, Stopped."""
    if retry_failed and not job.has_started:
        raise UsageError(f"{job.output} has no job yet; start it without --retry-failed")
    if job.exit_code is not None:
        return
    if not job.has_started or job.journal.last() is None:
        check_not_empty(sources, waits.check)
    check_installed(job.options.form)


def _report_reopened(job: Job, events: Events) -> None:
    if job.has_started and (count := job.journal.reopened):
        events.notice(
            f"{job.journal.path} is damaged: the results of {counted(count, 'image')} are lost; "
            "computing them again"
        )
