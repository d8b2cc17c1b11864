"""The state of a job, read without its lock, for `status` and `collect`."""

from __future__ import annotations

import enum
import errno
import os
import shlex
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from producer.job import property_table, schema
from producer.job.job_options import JobOptions, differences
from producer.job.job_properties import (
    PRODUCER,
    AttemptResult,
    JobProperties,
    PropertyValues,
    open_read_only,
)
from producer.job.journal import journal_path, next_journal
from producer.job.skipped import Unlisted
from producer.job.sqlite_errors import sqlite_errors
from producer.job.totals import AnswerCounts, JobCounts, load_counts
from shared import file_lock, regular_file
from shared.errors import Exit, HangtagError, SetupError, UsageError, no_such
from shared.messages.batch import MAX_FILE_BYTES

#: Errors of paths at which there can be no file.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


class JobState(enum.StrEnum):
    RUNNING = "running"
    PAUSED = "paused"  #: its producer is not running; the same command resumes
    CANCELLED = "cancelled"
    FINISHED = "finished"
    UNREADABLE = "unreadable"  #: the journal is damaged, or its folder cannot be accessed


class JobView(msgspec.Struct, frozen=True):
    """One job at a glance."""

    job: str
    state: JobState
    images: int  #: in batches so far
    done: int
    failed: int
    model: str
    output: str
    exit_code: int | None = None
    flagged: dict[str, int] = {}  #: number of images with each flag
    rate: float | None = None  #: recent images/s; None unless its producer runs and publishes it
    left_s: float | None = None  #: None while the walk lasts, or without a rate
    unlisted: Unlisted = Unlisted()  #: folders whose files have no rows
    over_budget: bool = False  #: paused, because more rows failed than --max-failures allows
    max_file_bytes: int = MAX_FILE_BYTES  #: a larger file is a row `too_large`
    attempt: AttemptResult = AttemptResult()  #: the last finished one
    answers: AnswerCounts | None = None  #: counts of the results, as of the last written table
    created: float = 0.0  #: seconds since 1970; 0 if unknown
    file_count: int | None = None  #: images in its folders; None while they are not counted

    @property
    def counts(self) -> JobCounts:
        """The numbers of its images."""
        return JobCounts(self.images, self.done, self.failed, self.flagged)

    @property
    def total_text(self) -> str:
        """The number of images in its folders: `261+` while they are not counted."""
        return f"{self.images:,}+" if self.file_count is None else f"{self.file_count:,}"


def has_journal(output: Path) -> bool:
    """Whether this output has a journal. Raises SetupError if its folder cannot be accessed."""
    path = journal_path(output)
    try:
        regular_file.check(path)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise SetupError(f"{path}: {error.strerror}; check its permissions and its disk") from None
    return True


def is_running(output: Path) -> bool:
    """Whether a process holds the job's journal."""
    try:
        fd = regular_file.open_fd(journal_path(output), os.O_RDONLY)
    except OSError:
        return False
    try:
        return not file_lock.try_share(fd)
    finally:
        os.close(fd)


def read_snapshot(output: Path) -> JobView | None:
    """The job of this output; None if no job was started. While its table is brought up to date,
    its rows are those of the next journal."""
    view = _view(journal_path(output), output)
    if view is not None and view.state is JobState.RUNNING and is_formed(output):
        return _view(next_journal(output), output) or view
    return view


def is_formed(output: Path) -> bool:
    """Whether there is a journal that is to replace that of this output; also one that an
    interrupted update has left."""
    return os.path.lexists(next_journal(output))


def _view(path: Path, output: Path) -> JobView | None:
    """The job of a journal of this output."""
    try:
        values, totals = _read(path)
    except (OSError, sqlite3.DatabaseError):
        if not _may_exist(output) or is_running(output):
            return None  # its producer is creating it
        return _unreadable(output)
    except SetupError:  # of another version
        return _unreadable(output)
    job = PropertyValues(values)
    if not job.has_started:
        return None
    try:
        return view_of(job, totals, output, _state(output, job))
    except HangtagError:
        return _unreadable(output)


def view_of(job: JobProperties, counts: JobCounts, output: Path, state: JobState) -> JobView:
    """A job with these properties, as that of `output`. Raises BadMessage."""
    record = job.record
    has_rows = job.exit_code is not None or job.stopped is Exit.BUDGET
    return JobView(
        job=record.id,
        state=state,
        images=counts.images,
        done=counts.done,
        failed=counts.failed,
        model=f"{record.name}@{record.version}",
        output=str(output),
        exit_code=job.exit_code,
        flagged=counts.flagged,
        unlisted=job.unlisted,
        over_budget=state is JobState.PAUSED and job.stopped is Exit.BUDGET,
        max_file_bytes=job.options.max_file_bytes if job.get("options") else MAX_FILE_BYTES,
        attempt=job.attempt,
        answers=job.answers if has_rows else None,  # those of an earlier attempt are outdated
        created=record.created,
        file_count=job.file_count,
    )


def _unreadable(output: Path) -> JobView:
    return JobView("", JobState.UNREADABLE, 0, 0, 0, "", str(output))


def check_readable(output: Path) -> None:
    """Raises HangtagError if the journal of this output cannot be read, with the reason."""
    has_journal(output)
    path = journal_path(output)
    with sqlite_errors(path):
        job = PropertyValues(_read(path)[0])
    _ = job.record, job.options, job.exit_code, job.file_count


def stored_options(output: Path) -> JobOptions:
    """The options of the job of this output, with the budget of its last attempt.

    Raises:
        UsageError: there is none.
        SetupError: its folder cannot be accessed, or its journal cannot be read.
    """
    if not has_journal(output):
        raise UsageError(no_such("job", str(output), (), "hangtag status"))
    path = journal_path(output)
    with sqlite_errors(path):
        job = PropertyValues(_read(path)[0])
    if job.get("options") is None:
        raise not_started(output)
    return msgspec.structs.replace(job.options, output=str(output), max_failures=job.budget)


def properties(output: Path) -> JobProperties:
    """The properties in the journal of this output; none if it cannot be read."""
    try:
        return PropertyValues(_read(journal_path(output))[0])
    except (OSError, sqlite3.DatabaseError, HangtagError):
        return PropertyValues({})


def with_known_files(options: JobOptions) -> JobOptions:
    """The options with what their job knows of its files; the same ones if it has not started."""
    try:
        known = stored_options(Path(options.output))
    except HangtagError:  # what opens the journal reports it
        return options
    if differences(options, known):
        return options
    return msgspec.structs.replace(
        options,
        file_roots=known.file_roots,
        pattern_roots=known.pattern_roots,
        kinds=known.kinds,
    )


def not_started(output: Path) -> UsageError:
    """The error of a command that needs a started job."""
    if is_running(output):
        again = shlex.join(["hangtag", "classify", str(output)])
        return UsageError(f"the job of {output} is starting; wait for it with: {again}")
    return UsageError(f"the job of {output} never started; start it with: hangtag classify")


def job_of_producer(output: Path, process_id: str) -> str:
    """The id of the job of this output, if this process started or resumed it last; or empty."""
    for path in (journal_path(output), next_journal(output)):
        with suppress(OSError, sqlite3.DatabaseError, HangtagError):
            values, _ = _read(path)
            if values.get(PRODUCER) == process_id.encode():
                return PropertyValues(values).record.id
    return ""


def _may_exist(output: Path) -> bool:
    try:
        return has_journal(output)
    except SetupError:
        return True


def _state(output: Path, job: JobProperties) -> JobState:
    if is_running(output):
        return JobState.RUNNING  # also a finished one whose producer retries rows, or is ending
    if job.exit_code is not None:
        return JobState.FINISHED
    return JobState.CANCELLED if job.stopped is Exit.CANCELLED else JobState.PAUSED


def _read(path: Path) -> tuple[dict[str, bytes], JobCounts]:
    """Properties and totals. A file without a log is opened as immutable, since SQLite would
    otherwise leave a log and its index beside it. The file is read again if a producer starts
    meanwhile."""
    while (before := _state_without_log(path)) is not None:
        try:
            contents = _query(path, immutable=True)
        except sqlite3.DatabaseError:
            if _state_without_log(path) == before:
                raise
        else:
            if _state_without_log(path) == before:
                return contents
    return _query(path, immutable=False)


def _state_without_log(path: Path) -> tuple[int, int, int] | None:
    """Inode, size and modification time of the file; None if it is missing or has a log."""
    if Path(f"{path}-wal").exists() or not path.exists():
        return None
    info = path.stat()
    return info.st_ino, info.st_size, info.st_mtime_ns


def _query(path: Path, immutable: bool) -> tuple[dict[str, bytes], JobCounts]:
    with closing(open_read_only(path, immutable)) as database:
        if fault := schema.foreign_version(database, path):
            raise SetupError(fault)
        values = property_table.read(database)
        return values, load_counts(values)
