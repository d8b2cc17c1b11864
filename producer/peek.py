"""A look at a job from outside, without its lock: what `status` and `collect` see."""

from __future__ import annotations

import enum
import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec

from producer import properties
from producer.attempt import ATTEMPT, Attempt, decode_attempt
from producer.journal import journal_path
from producer.options import decode_options
from producer.totals import Totals, kept
from producer.unlisted import UNLISTED, Unlisted, decode_unlisted
from shared.contract import MAX_FILE_BYTES, decode_job
from shared.errors import Exit, HangtagError


class State(enum.StrEnum):
    """The states of a job."""

    RUNNING = "running"
    PAUSED = "paused"  #: its producer is not running; the same command resumes
    CANCELLED = "cancelled"
    FINISHED = "finished"
    UNREADABLE = "unreadable"  #: the journal is damaged


class JobView(msgspec.Struct, frozen=True):
    """One job at a glance. `images` is how many were found so far."""

    job: str
    state: State
    images: int
    done: int
    failed: int
    model: str
    output: str
    exit_code: int | None = None
    flagged: dict[str, int] = {}  #: how many pictures have each flag
    rate: float | None = None  #: images/s of late; None unless it runs, and its producer told
    left_s: float | None = None  #: None while files are still looked for, or there is no rate
    unlisted: Unlisted = Unlisted()  #: folders whose files have no rows
    over_budget: bool = False  #: paused, because more rows failed than --max-failures allows
    max_file_bytes: int = MAX_FILE_BYTES  #: a larger file is a row `too_large`
    attempt: Attempt = Attempt()  #: the last one that ended; nothing of it while it runs


def is_running(output: Path) -> bool:
    """Whether some process holds the job's journal."""
    try:
        fd = os.open(journal_path(output), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def peek(output: Path) -> JobView | None:
    """The job of this output; None if there is none, or none that has begun."""
    try:
        found, totals = _read(journal_path(output))
    except sqlite3.DatabaseError:
        if not journal_path(output).exists() or is_running(output):
            return None  # whoever holds it writes its first lines
        return JobView("", State.UNREADABLE, 0, 0, 0, "", str(output))
    if "record" not in found:
        return None
    try:
        record = decode_job(found["record"])
        unlisted = decode_unlisted(found.get(UNLISTED))
        attempt = decode_attempt(found.get(ATTEMPT))
        limit = decode_options(found["options"]).max_file_bytes if "options" in found else None
    except HangtagError:
        return JobView("", State.UNREADABLE, 0, 0, 0, "", str(output))
    code = int(found["exit"]) if "exit" in found else None
    state = _state(output, found)
    return JobView(
        record.id,
        state,
        totals.frozen,
        totals.done,
        totals.failed,
        f"{record.name}@{record.version}",
        str(output),
        code,
        totals.flagged,
        unlisted=unlisted,
        over_budget=state is State.PAUSED and _stopped(found) is Exit.BUDGET,
        max_file_bytes=MAX_FILE_BYTES if limit is None else limit,
        attempt=attempt,
    )


def _state(output: Path, found: dict[str, bytes]) -> State:
    if "exit" in found:
        return State.FINISHED
    if is_running(output):
        return State.RUNNING
    return State.CANCELLED if _stopped(found) is Exit.CANCELLED else State.PAUSED


def _stopped(found: dict[str, bytes]) -> Exit | None:
    """How the last attempt ended."""
    codes = {str(int(code)).encode(): code for code in Exit}
    return codes.get(found.get("stopped", b""))


def _read(path: Path) -> tuple[dict[str, bytes], Totals]:
    """Properties and sums. Without a log the file is read as it is, or SQLite would leave a log
    and its index beside it; a producer that starts meanwhile is noticed."""
    while (before := _alone(path)) is not None:
        try:
            found = _query(path, "&immutable=1")
        except sqlite3.DatabaseError:
            if _alone(path) == before:
                raise
        else:
            if _alone(path) == before:
                return found
    return _query(path, "")


def _alone(path: Path) -> tuple[int, int, int] | None:
    """Which file it is, in which state; None where a log belongs to it."""
    if Path(f"{path}-wal").exists() or not path.exists():
        return None
    info = path.stat()
    return info.st_ino, info.st_size, info.st_mtime_ns


def _query(path: Path, how: str) -> tuple[dict[str, bytes], Totals]:
    uri = f"file:{quote(os.fsencode(path))}?mode=ro{how}"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        found = properties.read(database)
        return found, kept(found)
