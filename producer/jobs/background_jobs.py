"""Jobs in the background: `submit` starts a producer that outlives its terminal; `collect` follows
the producer, or finishes the job if the producer has ended."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from producer.dispatch.attempt import Attempt
from producer.dispatch.file_transport import check_below
from producer.formats.table_file import is_own_part
from producer.inputs.job_options import JobOptions
from producer.jobs.classify import classify
from producer.jobs.empty_job import check_not_empty
from producer.jobs.find_job import find_output
from producer.jobs.job import Job
from producer.jobs.run import Run, Summary
from producer.journal.journal import journal_path
from producer.journal.snapshot import (
    JobState,
    JobView,
    has_journal,
    is_running,
    job_of_producer,
    properties,
    read_snapshot,
    stored_options,
    with_known_files,
)
from producer.locations import row_files
from producer.output.output_path import PART_SUFFIX
from producer.present.events import Events, Found, Stored
from producer.present.formatting import typed
from producer.sources.job_sources import JobSources
from producer.stack.stack import BrokerSession
from producer.summary.promise import promised_view
from shared.errors import Exit, SetupError, Stopped, UsageError
from shared.failpoints import failpoint
from shared.installation import python_path
from shared.process import child_id
from shared.settings import Settings
from shared.stop import Stop, Waits

POLL_S = 0.1
FOLLOW_S = 0.5
#: After this time a notice points to the log, which names the reason for the wait.
SOON_S = 3.0
#: The exit codes of a job that has nothing left to run.
_FINISHED = {Exit.OK, Exit.SOME_FAILED, Exit.BUDGET}
#: Those of a job whose rows so far lie beside its table.
_SO_FAR = {Exit.BUDGET, Exit.CANCELLED}
#: The start of the last line of a command that failed.
_ERROR = "hangtag: "


def start(
    options: JobOptions,
    arguments: list[str],
    settings: Settings,
    events: Events | None = None,
    stop: Stop | None = None,
) -> str:
    """Run `hangtag classify ARGUMENTS`, which have these options, detached; return the job's id
    once it has started. A list from standard input is left to the producer.

    Raises:
        UsageError, SetupError: it could not start; the message is that of the producer.
        Stopped: the caller has stopped the wait; the job continues, which is reported.
    """
    events = events or Events()
    with closing(Waits(stop or Stop())) as waits:
        return _start(options, arguments, settings, events, waits)


def _start(
    options: JobOptions,
    arguments: list[str],
    settings: Settings,
    events: Events,
    waits: Waits,
) -> str:
    output, restart = Path(options.output), options.restart
    known = options if restart else with_known_files(options)
    with closing(JobSources(known, waits)) as sources:
        sources.check()
        check_below(sources, settings)
        if not options.is_piped and (restart or read_snapshot(output) is None):
            check_not_empty(sources, waits.check)
    log = _log_of(output)
    is_new = not os.path.lexists(log)
    begin = 0 if is_new else log.lstat().st_size
    producer = _spawn(arguments, log, None if options.is_piped else subprocess.DEVNULL)
    try:
        return _wait_for_start(producer, output, log, begin, events, waits)
    except UsageError:
        if is_new and not has_journal(output):
            log.unlink(missing_ok=True)  # that of a job that never was
        raise
    except Stopped:
        follow = f"follow it with: {typed(['hangtag', 'collect', str(output)])}"
        events.notice(f"the job continues in the background; {follow}")
        raise Stopped(follow) from None


def _wait_for_start(
    producer: subprocess.Popen[bytes],
    output: Path,
    log: Path,
    begin: int,
    events: Events,
    waits: Waits,
) -> str:
    """The id of the job once this producer runs it, or has ended it; its lines in the log start at
    byte `begin`.

    Another process may hold the journal, or this one while it waits for a server.
    """
    process_id = child_id(producer.pid)
    notice_at = time.monotonic() + SOON_S
    while producer.poll() is None:
        if job := job_of_producer(output, process_id):
            # Popen must not wait for it: the producer runs in its own session.
            producer.returncode = 0
            return job
        if time.monotonic() > notice_at:
            notice_at = float("inf")
            events.notice(
                f"the job has not started yet; it continues in the background, see: {log}"
            )
        waits.sleep(POLL_S)
    code, job = producer.returncode, job_of_producer(output, process_id)
    if job and code not in (Exit.USAGE, Exit.SETUP):
        return job
    if code in _FINISHED and (view := read_snapshot(output)) is not None:
        return view.job  # it was finished before
    raise _error(code, log, begin)


def collect(
    job: str, settings: Settings, events: Events | None = None, stop: Stop | None = None
) -> Summary:
    """Follow a job to its end, or finish it within its stored error budget. Of one that was
    cancelled the rows so far are written.

    Raises:
        UsageError: there is no such job here.
        SetupError: its producer could not start it.
        Stopped: it was stopped; a job that it followed continues.
    """
    events, stop = events or Events(), stop or Stop()
    output = find_output(job)
    with closing(Waits(stop)) as waits:
        view = _follow(output, events, waits)
        if view is None and not has_journal(output):
            raise SetupError(
                f"the job of {output} did not start; {_log_of(output)} has the reason; start it "
                "with: hangtag classify"
            )
    if view is not None and view.state is JobState.FINISHED and view.exit_code is not None:
        return _summary(view, Exit(view.exit_code))
    view = view or read_snapshot(output)
    if view is not None and view.state is JobState.CANCELLED:
        _write_so_far(output, settings, events, stop)
        return _summary(view, Exit.CANCELLED)
    if view is not None and view.over_budget:
        return _summary(view, Exit.BUDGET)
    options = stored_options(output)
    finished = view is not None and view.state is JobState.FINISHED
    absent = _absent(options, stop) if finished else ""
    return classify(options, settings, absent=absent, events=events, stop=stop)


def _write_so_far(output: Path, settings: Settings, events: Events, stop: Stop) -> None:
    with (
        closing(Waits(stop)) as waits,
        closing(Job(stored_options(output))) as job,
        row_files.of_table(output, job.options, waits) as files,
    ):
        use = BrokerSession(settings, waits)
        Run(job, files, Attempt(settings, events, waits, use)).write_so_far()


def _absent(options: JobOptions, stop: Stop) -> str:
    """Why the folders of a job cannot be listed now, or empty. Raises Stopped."""
    try:
        with closing(Waits(stop)) as waits, closing(JobSources(options, waits)) as sources:
            sources.check()
    except (UsageError, SetupError) as error:
        return str(error)
    return ""


def _follow(output: Path, events: Events, waits: Waits) -> JobView | None:
    """The job after its producer has ended; None if it has no producer, or was not started."""
    view = read_snapshot(output)
    if not _has_producer(output, view):
        return None
    while _has_producer(output, view):
        if view is None:
            events.notice("the job has not started yet; waiting for its producer")
        else:
            events.report(Found(view.counts.images, view.file_count))
            events.report(Stored(view.done, view.failed))
        waits.sleep(FOLLOW_S)
        view = read_snapshot(output)
    return view


def _has_producer(output: Path, view: JobView | None) -> bool:
    return is_running(output) if view is None else view.state is JobState.RUNNING


def _log_of(output: Path) -> Path:
    return Path(f"{journal_path(output)}.log")


def _summary(view: JobView, code: Exit) -> Summary:
    """The summary of the followed attempt, as its own command reports it."""
    part = Path(f"{view.output}{PART_SUFFIX}")
    is_own = code in _SO_FAR and is_own_part(properties(Path(view.output)), part)
    return Summary(promised_view(view), code, str(part) if is_own else "")


def _spawn(arguments: list[str], log: Path, stdin: int | None) -> subprocess.Popen[bytes]:
    try:
        with open(log, "ab", opener=_private) as file:
            producer = subprocess.Popen(
                # -P: not a module of that name in the current folder.
                [sys.executable, "-P", "-m", "producer.cli", "classify", *arguments],
                # No colours: the log is read for errors.
                env={**os.environ, "PYTHONPATH": python_path(), "NO_COLOR": "1"},
                stdin=stdin,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
    except OSError as error:
        if error.errno == errno.ELOOP and log.is_symlink():
            line = f"{log} is a symbolic link; remove it, or choose another -o"
            raise UsageError(line) from None
        raise SetupError(f"{log}: {error.strerror}; choose another -o") from error
    failpoint("background.begun")
    return producer


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _error(code: int, log: Path, begin: int) -> SetupError:
    lines = log.read_bytes()[begin:].decode(errors="replace").strip().splitlines()
    text = lines[-1].removeprefix(_ERROR) if lines else f"the producer ended with {code}"
    return UsageError(text) if code == Exit.USAGE else SetupError(text)
