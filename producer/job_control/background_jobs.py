"""`classify --detach`: starts a producer that outlives its terminal."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from producer.job.job_options import JobOptions
from producer.job.journal import producer_log
from producer.job.snapshot import (
    has_journal,
    job_of_producer,
    not_started,
    read_snapshot,
    with_known_files,
)
from producer.present.events import Events
from producer.present.formatting import typed
from producer.run.classify import check_not_empty
from producer.run.file_transport import check_below
from producer.run.follow import is_followed
from producer.sources.job_sources import JobSources
from shared.errors import Exit, SetupError, Stopped, UsageError
from shared.failpoints import failpoint
from shared.installation import python_path
from shared.process import child_id
from shared.settings import Settings
from shared.stop import Stop, Waits

POLL_S = 0.1
#: After this time a notice points to the log, which names the reason for the wait.
SOON_S = 3.0
#: The exit codes of a job that has nothing left to run.
_FINISHED = {Exit.OK, Exit.SOME_FAILED, Exit.BUDGET}
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
    once it has started, or that of the same job which runs already. A list from standard input is
    left to the producer.

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
    if not options.is_piped and is_followed(options):
        view = read_snapshot(output)
        if view is None:
            raise not_started(output)
        return view.job
    known = options if restart else with_known_files(options)
    with closing(JobSources(known, waits)) as sources:
        sources.check()
        check_below(sources, settings)
        if not options.is_piped and (restart or read_snapshot(output) is None):
            check_not_empty(sources)
    log = producer_log(output)
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
        follow = f"follow it with: {typed(['hangtag', 'classify', str(output)])}"
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
    """The id of the job once this producer runs it, or it has ended; its lines in the log start at
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
