"""The engine: submit, wait, collect; the same call resumes. It runs in any thread, installs no
signal handler and displays nothing: events go to subscribers, and a stop ends it."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from producer.job.job_options import JobOptions
from producer.job.skipped import listed
from producer.job.snapshot import is_formed, not_started
from producer.machine.stack import BrokerSession
from producer.present.events import Events
from producer.present.formatting import counted, typed
from producer.run.connect import Attempt
from producer.run.file_transport import check_below
from producer.run.follow import followed, is_followed
from producer.run.job import Job
from producer.run.new_files import NewFiles
from producer.run.run import Run, Summary
from producer.run.time_limit import in_time
from producer.run.update import bring_up_to_date
from producer.run.watch import watch
from producer.sources import row_files
from producer.sources.job_sources import JobSources, Walk
from producer.sources.lists import is_empty, list_name, received
from producer.sources.row_files import RowFiles
from producer.table.output_path import check_folder
from producer.table.table_file import check_replaceable, is_foreign
from producer.table.table_formats import check_installed
from shared.errors import COMPLETE, HangtagError, SetupError, UsageError
from shared.image_formats import DECODED_ENDINGS
from shared.messages.files import printable
from shared.messages.model_name import parse
from shared.registry.registry import Registry
from shared.settings import Settings
from shared.stop import Stop, Waits

#: The patterns that an error names at most.
PATTERNS_MAX = 4
#: The least time that an update gets after its job: none at all means no limit.
_LEAST_S = 0.001
#: What to do with a finished job.
_RESTART = "run it again with classify --restart"


def check_not_empty(sources: JobSources) -> None:
    """Check that a job that has no files yet finds at least one.

    Raises:
        UsageError: there is no file.
        SetupError: a folder that was typed cannot be listed.
    """
    closed: list[bytes] = []
    walk = Walk(sources, lambda folder, why: closed.append(folder))
    # A folder that cannot be listed may have files; the job reports it.
    if next(walk.paths(), None) is None and not closed:
        raise UsageError(_nothing(sources.options, listed(walk.skipped)))


def _nothing(options: JobOptions, skipped: str) -> str:
    if options.list_file:
        how = "end each name with NUL" if options.list0 else "give one path a line"
        return f"{list_name(options)} names no file; {how}"
    first, *more = options.roots
    where = f"{printable(first)} and {len(more):,} more" if more else printable(first)
    if not skipped and all(root.startswith(b"s3://") for root in options.roots):
        return f"there is no object below {where}; check the prefix"
    there = f"skipped: {skipped}" if skipped else "there is no file at all"
    if options.globs:
        patterns = " or ".join(f"--glob {pattern!r}" for pattern in options.globs[:PATTERNS_MAX])
        what, other = f"no file matches {patterns:.300}", "another pattern"
    else:
        endings = " ".join(f".{ending.decode()}" for ending in DECODED_ENDINGS)
        what, other = f"no file has an image's ending ({endings})", "choose files with --glob"
    return f"{where}: {what}, {there}; name another folder, or {other}"


def _nothing_to_do(job: Job, settings: Settings, retry_failed: bool, added: int) -> str:
    """Why there is nothing to do. Empty if files were added: the line on these says what to run."""
    if retry_failed:
        return f"no row of {job.output} has failed; there is nothing to retry"
    if added:
        return ""
    if now := _in_use_now(job, settings):
        finished = f"{job.output} is finished already, with {job.card.ref}"
        return f"{finished}; {now} is in use now: {_RESTART} to classify with it"
    return f"{job.output} is finished already; {_RESTART}"


def _in_use_now(job: Job, settings: Settings) -> str:
    """The version that the job's model stands for now, if that is another one. Empty if it is not
    known without a server: a finished job needs none."""
    if settings.redis_url:
        return ""
    with suppress(HangtagError, OSError):
        now = Registry(settings.store_path).resolve(parse(job.options.model)).ref
        return now if now != job.card.ref else ""
    return ""


def _report_finished(job: Job, events: Events, waits: Waits, then: str) -> None:
    """Write its table again if that is missing or old, and say what is unusual; last `then`."""
    if not job.output.exists():
        job.table.render(passed=lambda rows: waits.check())
        events.notice(f"{job.output} was missing; it was written again from its journal")
    elif not job.table.is_rendered:
        job.table.render(passed=lambda rows: waits.check())
        events.notice(f"{job.output} was rendered again from its journal; nothing was classified")
        return
    elif is_foreign(job.journal, job.output):
        events.notice(
            f"{job.output} differs from what its job wrote; show the differences with: "
            f"{typed(['hangtag', 'verify', str(job.output)])} (to write it again, remove the file "
            "and run the same command)"
        )
    if is_formed(job.output):
        events.notice("an update of the table was interrupted; continue it with: classify --update")
    if then:
        events.notice(then)


def classify(
    options: JobOptions,
    settings: Settings,
    *,
    stdin: BinaryIO | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
) -> Summary:
    """Finish a job, or leave it resumable; follow one that another process runs; then bring its
    table up to date, or watch its files, if the options say so.
    Of a finished job other display options render the table again, also without its folders.
    `stdin` has the list of a job whose list is standard input; without it the recorded one is used.
    Once it has `stop`ped while it classified, the summary says so.

    Raises:
        UsageError: the arguments or the options do not fit; no job was started.
        SetupError: something outside is at fault; a started job is intact.
        StillOpen: Redis was not ready within --timeout, or no image was found.
        Stopped: it was stopped before or after it classified; a started job can be resumed.
    """
    events, stop = events or Events(), stop or Stop()

    def classified(timeout_s: float | None) -> Summary:
        asked = msgspec.structs.replace(options, timeout_s=timeout_s)
        return _attempted(asked, settings, stdin, events, stop)

    if options.watch:
        return watch(options, classified, events, stop)
    if stdin is None and is_followed(options) and (summary := followed(options, events, stop)):
        return summary
    if not (options.roots or options.list_file):  # its table was named
        raise not_started(Path(options.output))
    return classified(options.timeout_s)


def _attempted(
    options: JobOptions, settings: Settings, stdin: BinaryIO | None, events: Events, stop: Stop
) -> Summary:
    started = time.monotonic()
    deadline = started + options.timeout_s if options.timeout_s else float("inf")
    with (
        closing(Waits(stop)) as waits,
        closing(_opened_job(options, stdin, events, waits)) as job,
        row_files.of_table(job.output, job.options, waits, job.listed) as files,
    ):
        use, budget = BrokerSession(settings, waits), options.max_failures
        run = Run(job, files, Attempt(settings, events, waits, use, budget, deadline, started))
        is_update = options.update or options.watch
        if is_update and job.exit_code is not None:
            _check_sources(files.sources, settings)
            summary, is_earlier = bring_up_to_date(run, options.retry_failed)
            may_lack = is_earlier and not options.is_piped  # there may be more by now
        else:
            may_lack = is_update and job.has_started
            retry_failed = options.retry_failed and (may_lack or not is_update)
            summary = _classified(run, retry_failed)
    if not may_lack or summary.exit_code not in COMPLETE:
        return summary
    left_s = options.timeout_s and max(deadline - time.monotonic(), _LEAST_S)
    again = msgspec.structs.replace(options, retry_failed=False, timeout_s=left_s)
    return _attempted(again, settings, stdin, events, stop)


def _classified(run: Run, retry_failed: bool) -> Summary:
    job, files, (settings, events, waits, _, budget, deadline, _) = run.job, run.files, run.attempt
    _report_reopened(job, events)
    with in_time(waits, deadline - time.monotonic(), _no_image):
        absent = _absent(job, files.sources, settings)
        _check_start(job, files.sources, retry_failed)
    new = None if absent else _new_files(job, events, files)
    if not _has_work(job):
        added = _count_new(new, events, absent)
        then = _nothing_to_do(job, settings, retry_failed, added)
        _report_finished(job, events, waits, then)
        return run.summary(job.judge(budget), run.result(0, job.journal.attempt.skipped))
    if job.has_started:
        check_replaceable(job.journal, job.output)
    return run.work(new, retry_failed)


def _no_image() -> str:
    return "no image was found within --timeout; run the same command to retry"


def _has_work(job: Job) -> bool:
    retries = job.options.retry_failed and job.journal.totals.failed > 0
    return job.exit_code is None or retries


def _absent(job: Job, sources: JobSources, settings: Settings) -> str:
    """Why the files of a job that has no work, which needs them for nothing but to count new ones,
    cannot be listed; or empty. Raises UsageError, SetupError for another job, Stopped."""
    try:
        _check_sources(sources, settings)
    except (UsageError, SetupError) as error:
        if _has_work(job):
            raise
        return str(error)
    return ""


def _check_sources(sources: JobSources, settings: Settings) -> None:
    """Raises UsageError, SetupError, Stopped."""
    sources.check()
    check_below(sources, settings)


def _opened_job(options: JobOptions, stdin: BinaryIO | None, events: Events, waits: Waits) -> Job:
    """The job, with its list if that comes from standard input. Raises as `classify`."""
    if stdin is None:
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


def _new_files(job: Job, events: Events, files: RowFiles) -> NewFiles:
    def notice(count: int) -> None:
        events.notice(appeared(count))

    # With --restart the journal still has the earlier job, or cannot be read.
    journal = job.journal if job.has_started else None
    finished = job.exit_code is not None
    return NewFiles(files.sources, journal, finished, notice, files.is_placed)


def _count_new(new: NewFiles | None, events: Events, absent: str) -> int:
    if new is None:
        events.notice(f"new files are not counted: {absent}")
        return 0
    new.advance()
    return new.found


def _check_start(job: Job, sources: JobSources, retry_failed: bool) -> None:
    """Raises UsageError if there is nothing to classify, SetupError if the table's form is not
    installed, Stopped."""
    if retry_failed and not job.has_started:
        raise UsageError(f"{job.output} has no job yet; start it without --retry-failed")
    if job.exit_code is not None:
        return
    if not job.has_started or job.journal.last() is None:
        check_not_empty(sources)
    check_installed(job.options.form)


def _report_reopened(job: Job, events: Events) -> None:
    if job.has_started and (count := job.journal.reopened):
        events.notice(
            f"{job.journal.path} is damaged: the results of {counted(count, 'image')} are lost; "
            "computing them again"
        )
