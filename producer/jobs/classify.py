"""`hangtag classify`: submit, wait, collect; the same command again resumes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from producer.dispatch.attempt import Attempt
from producer.dispatch.interrupts import alarm, interrupts
from producer.dispatch.job_queue import JobQueue
from producer.dispatch.loop import DispatchLoop
from producer.dispatch.new_files import NewFiles
from producer.inputs.empty_job import check_not_empty
from producer.inputs.file_transport import check_below
from producer.inputs.job_options import JobOptions
from producer.inputs.skipped import Unlisted
from producer.inputs.walk import check_roots
from producer.jobs.connect import Connector
from producer.jobs.job import Job
from producer.journal.error_budget import ErrorBudget
from producer.journal.job_properties import AttemptResult
from producer.output.csv_table import PART_SUFFIX
from producer.output.job_progress import JobProgress, make_progress
from producer.output.text import counted, typed
from producer.stack.stack import BrokerSession
from producer.verify.check_rows import sha256_of
from shared.errors import Exit, SetupError
from shared.messages.batch import MAX_FILE_BYTES
from shared.settings import Settings


class Summary(msgspec.Struct, frozen=True):
    """What a run came to."""

    job: str
    output: str
    model: str
    found: int = msgspec.field(name="images")
    done: int  #: rows so far
    failed: int
    classified: int  #: in this run; the rest in earlier ones
    skipped: dict[str, int]  #: what is no row, by reason; files that were not chosen by ending
    seconds: float
    exit_code: int
    flagged: dict[str, int] = {}  #: how many pictures have each flag
    part: str = ""  #: the rows so far, of a job that --max-failures stopped before its end
    unlisted: Unlisted = Unlisted()  #: folders whose files have no rows
    max_file_bytes: int = MAX_FILE_BYTES  #: a larger file is a row `too_large`


def classify(
    options: JobOptions,
    settings: Settings,
    *,
    budget: ErrorBudget | None = None,
    timeout_s: float | None = None,
    restart: bool = False,
    retry_failed: bool = False,
    quiet: bool = False,
) -> Summary:
    """Finish a job, or leave it so that it can be resumed. `retry_failed` does its failed rows
    again; all others stay as they are.

    Raises:
        UsageError: the arguments or the options do not fit; nothing was begun.
        SetupError: something outside is at fault; what was begun is intact.
    """
    begun = time.monotonic()
    check_roots(options)
    check_below(options, settings)
    job = Job(options, restart)
    report = make_progress(quiet)
    budget = budget or ErrorBudget()
    try:
        code = job.exit_code
        if job.begun:
            _tell_reopened(job, report)
        if code is None and (not job.begun or job.journal.last() is None):
            check_not_empty(options)
        new = _new_files(job, report)
        if code is None or (retry_failed and job.journal.totals.failed):
            deadline = begun + timeout_s if timeout_s else float("inf")
            attempt = Attempt(settings, report, BrokerSession(settings), budget, deadline)
            end = _work(job, attempt, begun, retry_failed, new)
        else:
            new.advance()
            _tell_finished(job, report, retry_failed)
            code = job.judge(budget)
            end = _End(code, AttemptResult(0, _since(begun), job.journal.attempt.skipped))
        report.close()
        return _summary(job, end)
    finally:
        report.close()
        job.close()


class _End(NamedTuple):
    """How an attempt ended."""

    code: Exit
    result: AttemptResult
    part: str = ""  #: where the rows so far are


def _work(job: Job, attempt: Attempt, begun: float, retry_failed: bool, new: NewFiles) -> _End:
    """Run the job until it is finished or must stop. Raises SetupError."""
    work = Connector(attempt, job).job()
    if retry_failed:
        _tell_repeated(attempt.report, job.repeat_failed())
    before = job.journal.totals.done
    run = DispatchLoop(attempt, work, new)
    job.started(attempt.budget)
    try:
        with interrupts(run.stop), alarm(attempt.deadline - time.monotonic(), run.stop):
            code = run.execute()
    except SetupError:
        if job.journal.lost:
            work.channel.finish()  # nobody can come back to it
        raise
    classified = job.journal.totals.done - before
    if run.complete:
        sha256 = job.write_table()
        work.channel.finish()  # before the job answers for itself, and never comes here again
        result = AttemptResult(classified, _since(begun), run.skipped)
        job.finish(code, sha256, run.unlisted, result)
        return _End(code, result)
    result = AttemptResult(classified, _since(begun), run.skipped)
    job.stopped(code, result)
    return _End(code, result, _stop(job, code, work.channel))


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)


def _stop(job: Job, code: Exit, channel: JobQueue) -> str:
    """Leave what the code promises; answers where the rows so far are."""
    if code in (Exit.BUDGET, Exit.CANCELLED):
        channel.finish()
    if code is not Exit.BUDGET:
        return ""
    part = f"{job.output}{PART_SUFFIX}"
    job.write_table(Path(part))
    return part


def _new_files(job: Job, report: JobProgress) -> NewFiles:
    def tell(count: int) -> None:
        report.notice(
            f"{count} files have appeared since the job began and are not in it; "
            "classify --restart takes them in"
        )

    # With --restart the journal still has the earlier job, or cannot be read.
    begun = job.journal if job.begun else None
    return NewFiles(job.options, begun, job.exit_code is not None, tell)


def _tell_reopened(job: Job, report: JobProgress) -> None:
    if count := job.journal.reopened:
        report.notice(
            f"{job.journal.path} is damaged: the results of {counted(count, 'image')} are lost and "
            "computed again"
        )


def _tell_repeated(report: JobProgress, count: int) -> None:
    if count:
        report.notice(f"{counted(count, 'row')} without a label: repeating, all others stay")
    else:
        report.notice("no row has failed so far; there is nothing to repeat")


def _tell_finished(job: Job, report: JobProgress, retry_failed: bool) -> None:
    if not job.output.exists():
        job.write_table()
        report.notice(f"{job.output} was gone; it is written again from its journal")
    elif _is_other(job):
        report.notice(
            f"{job.output} is not as its job wrote it; see what differs with: "
            f"{typed(['hangtag', 'verify', str(job.output)])}; if the file is removed, the same "
            "command writes it again"
        )
    if retry_failed:
        report.notice(f"no row of {job.output} has failed; there is nothing to repeat")
    else:
        report.notice(f"{job.output} is finished already; classify --restart does it again")


def _is_other(job: Job) -> bool:
    try:
        return sha256_of(job.output) != job.journal.sha256
    except OSError as error:
        raise SetupError(f"{job.output}: {error.strerror}; check its permissions") from error


def _summary(job: Job, end: _End) -> Summary:
    totals, (code, result, part) = job.journal.totals, end
    return Summary(
        job.record.id,
        str(job.output),
        job.card.ref,
        totals.found,
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
    )
