"""The engine: submit, wait, collect; the same call resumes. It runs in any thread, installs no
signal handler and displays nothing: events go to subscribers, and a stop ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from producer.dispatch.attempt import Attempt, OpenJob
from producer.dispatch.file_transport import check_below
from producer.dispatch.job_queue import JobQueue
from producer.dispatch.loop import DispatchLoop
from producer.dispatch.new_files import NewFiles
from producer.formats.table_file import check_replaceable
from producer.formats.table_formats import TooManyRows, check_installed
from producer.inputs.error_budget import ErrorBudget
from producer.inputs.job_options import JobOptions
from producer.inputs.skipped import Unlisted
from producer.jobs import finished_job
from producer.jobs.connect import Connector
from producer.jobs.empty_job import check_not_empty
from producer.jobs.job import Job
from producer.journal.job_properties import AttemptResult
from producer.journal.totals import AnswerCounts
from producer.locations import row_files
from producer.locations.row_files import RowFiles
from producer.models.learned_labels import learned_labels
from producer.output.output_path import PART_SUFFIX, check_folder
from producer.present.events import Events, Stage, Started
from producer.present.formatting import counted
from producer.rendering.display_options import DisplayOptions
from producer.sources.job_sources import JobSources
from producer.sources.lists.piped_list import is_empty, received
from producer.stack.stack import BrokerSession
from shared.errors import BrokerAway, Exit, SetupError, StillOpen, Stopped, UsageError
from shared.labels.label_line import LabelLine
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.model_card import Card
from shared.settings import Settings
from shared.stop import Stop, Waits

#: The stage of the table, which comes last.
WRITING = "writing the table"


class Summary(msgspec.Struct, frozen=True):
    """The result of a run."""

    job: str
    output: str
    model: str
    images: int  #: in batches so far
    done: int  #: rows so far
    failed: int
    classified: int  #: in this run; the rest in earlier ones
    skipped: dict[str, int]  #: entries without a row, by reason; unselected files by suffix
    seconds: float
    exit_code: int
    flagged: dict[str, int] = {}  #: the number of images with each flag
    part: str = ""  #: path of the rows so far, of a job that --max-failures stopped early
    unlisted: Unlisted = Unlisted()  #: folders whose files have no rows
    max_file_bytes: int = MAX_FILE_BYTES  #: a larger file is a row `too_large`
    answers: AnswerCounts | None = None  #: counts of the results; None of a job without a table yet
    young: int = 0  #: files that were being written, and are left to the next update


def classify(
    options: JobOptions,
    settings: Settings,
    *,
    display: DisplayOptions | None = None,
    budget: ErrorBudget | None = None,
    timeout_s: float | None = None,
    restart: bool = False,
    retry_failed: bool = False,
    absent: str = "",
    if_finished: str = finished_job.RESTART,
    stdin: BinaryIO | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Summary:
    """Finish a job, or leave it resumable. `retry_failed` classifies its failed rows again. Of a
    finished job other display options render the table again. `absent` is why the folders of a
    finished job cannot be listed; `if_finished` ends the notice on one that needs no work. `stdin`
    has the list of a job whose list is standard input; without it the recorded one is used. Once it
    has `stop`ped while it classified, the summary says so.

    Raises:
        UsageError: the arguments or the options do not fit; no job was started.
        SetupError: something outside is at fault; a started job is intact.
        StillOpen: Redis was not ready within `timeout_s`, or no image was found.
        Stopped: it was stopped before or after it classified; a started job can be resumed.
    """
    started = time.monotonic()
    events, budget = events or Events(), budget or ErrorBudget()
    with (
        closing(Waits(stop or Stop())) as waits,
        closing(opened_job(options, restart, display, stdin, events, waits)) as job,
        row_files.of_table(job.output, job.options, waits, job.listed) as files,
    ):
        _report_reopened(job, events)
        deadline = started + timeout_s if timeout_s else float("inf")
        with _in_time(waits, deadline):
            if not absent:
                check_sources(files.sources, settings)
            _check_start(job, files.sources, retry_failed, waits)
        new = None if absent else _new_files(job, events, files, waits)
        if job.exit_code is not None and not (retry_failed and job.journal.totals.failed):
            added = _count_new(new, events, absent)
            then = finished_job.notice(job, settings, retry_failed, added, if_finished)
            return _finished_before(job, budget, started, then, events, waits)
        if job.has_started:
            check_replaceable(job.journal, job.output)
        use = BrokerSession(settings, waits)
        attempt = Attempt(settings, events, waits, use, budget, deadline)
        return summary_of(job, work(job, attempt, started, retry_failed, new, files))


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


def check_sources(sources: JobSources, settings: Settings) -> None:
    """Raises UsageError, SetupError, Stopped."""
    sources.check()
    check_below(sources, settings)


def opened_job(
    options: JobOptions,
    restart: bool,
    display: DisplayOptions | None,
    stdin: BinaryIO | None,
    events: Events,
    waits: Waits,
) -> Job:
    """The job, with its list if that comes from standard input. Raises as `classify`."""
    if not options.is_piped or stdin is None:
        return Job(options, restart, display, waits.check)
    check_folder(Path(options.output))
    with received(stdin, options, waits) as listed:
        job = Job(options, restart, display, waits.check)
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


class End(NamedTuple):
    """How an attempt ended."""

    code: Exit
    result: AttemptResult
    part: str = ""  #: path of the rows so far


def work(
    job: Job,
    attempt: Attempt,
    started: float,
    retry_failed: bool,
    new: NewFiles | None,
    files: RowFiles,
    is_update: bool = False,
) -> End:
    """Run the job until it is finished or must stop. Raises SetupError, StillOpen, Stopped."""
    with closing(Connector(attempt, job, needs_version=is_update).queue()) as queue:
        return _run(job, attempt, queue, started, retry_failed, new, files)


def _run(
    job: Job,
    attempt: Attempt,
    queue: JobQueue,
    started: float,
    retry_failed: bool,
    new: NewFiles | None,
    files: RowFiles,
) -> End:
    if retry_failed:
        _report_retry(attempt.events, job.repeat_failed())
    before = job.journal.totals.done
    resumed = 0 if retry_failed or new is None else before
    opened = OpenJob(job.pinned, job.journal, queue, files, job.table.growing)
    run = DispatchLoop(attempt, opened, new)
    job.store_attempt(attempt.budget)
    attempt.events.report(Started(job.record.id, str(job.output), resumed))
    try:
        with attempt.waits.within(attempt.deadline - time.monotonic()):
            code = run.execute()
    except SetupError:
        if job.journal.lost:
            queue.finish()  # without its journal the job cannot be resumed
        raise
    classified = job.journal.totals.done - before
    result = AttemptResult(classified, since(started), run.skipped)
    with closing(attempt.waits.rest()) as rest:
        files.sources.wait_as(rest)
        if not run.complete:
            job.store_stop(code, result)
            return End(code, result, _stopped(job, code, queue, attempt.events, rest))
        code, sha256 = completed(job, code, attempt.settings, attempt.events, rest)
        queue.finish()  # first, because a finished job is not run again
        result = AttemptResult(classified, since(started), run.skipped)
        job.finish(code, sha256, run.unlisted, result)
        return End(code, result)


def completed(
    job: Job, code: Exit, settings: Settings, events: Events, waits: Waits
) -> tuple[Exit, str]:
    """Write the table of a job that has all rows; return how the job ends, and the SHA-256 of the
    table. Labels that its version has learned are corrections of it."""
    passed = passing(job, "comparing corrected files", events, waits)
    for line in job.table.take_learned(learned_of(job.card, settings, events), passed):
        events.notice(line)
    try:
        return code, job.table.write_table(passed=passing(job, WRITING, events, waits))
    except TooManyRows:  # the summary says so
        return Exit.SETUP, ""


def learned_of(card: Card, settings: Settings, events: Events) -> list[LabelLine]:
    """The labels that a version has learned; a notice if they cannot be read."""
    try:
        return learned_labels(settings, card)
    except (SetupError, BrokerAway) as error:
        events.notice(f"the labels that {card.ref} has learned are not in the table: {error}")
        return []


def passing(job: Job, stage: str, events: Events, waits: Waits) -> Callable[[int], None]:
    """What gets the number of rows that have passed a stage, again and again."""
    rows, total = 0, job.journal.totals.done

    def passed(more: int) -> None:
        nonlocal rows
        rows += more
        events.report(Stage(stage, rows, total))
        waits.check()

    return passed


def since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _stopped(job: Job, code: Exit, queue: JobQueue, events: Events, waits: Waits) -> str:
    """Remove the job from Redis and write its rows, as the code requires; return their path."""
    if code in (Exit.BUDGET, Exit.CANCELLED):
        queue.finish()
    return write_so_far(job, events, waits) if code is Exit.BUDGET else ""


def write_so_far(job: Job, events: Events, waits: Waits) -> str:
    """Write the rows of an unfinished job beside its table; return their path. Raises SetupError,
    Stopped."""
    part = Path(f"{job.output}{PART_SUFFIX}")
    return job.table.write_part(part, events.notice, passing(job, WRITING, events, waits))


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


def _report_retry(events: Events, count: int) -> None:
    if count:
        events.notice(f"retrying {counted(count, 'row')} without a label; the others stay")
    else:
        events.notice("no row has failed so far; there is nothing to retry")


def _finished_before(
    job: Job,
    budget: ErrorBudget,
    started: float,
    then: str,
    events: Events,
    waits: Waits,
) -> Summary:
    """The summary of a job that an earlier run has finished. `then` says why nothing is done."""
    finished_job.report(job, events, waits, then)
    result = AttemptResult(0, since(started), job.journal.attempt.skipped)
    return summary_of(job, End(job.judge(budget), result))


def summary_of(job: Job, end: End) -> Summary:
    totals, (code, result, part) = job.journal.totals, end
    has_table = bool(part) or job.exit_code is not None
    return Summary(
        job.record.id,
        str(job.output),
        job.card.ref,
        totals.images,
        totals.done,
        totals.failed,
        result.classified,
        result.skipped,
        result.seconds,
        int(code),
        totals.flagged,
        part,
        job.journal.unlisted,
        job.options.max_file_bytes,
        job.table.answers if has_table else None,
    )
