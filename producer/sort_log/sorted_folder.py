"""The folders that this user has sorted into: the record of each, and its logs.

Both are in the user's private state folder, since who can write to OUT could write a log in it.
OUT has only the random id of its record, by which it is found after it was moved.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from producer.job import job_index
from producer.sort_log.log import SortLog, intact
from shared import atomic_file, file_lock, regular_file
from shared.errors import MISFITS, BadMessage, SetupError, UsageError
from shared.failpoints import failpoint
from shared.labels import line_log
from shared.labels.class_folders import SORT_LOG

_ID = re.compile(rb"[0-9a-f]{16}\n")
_ID_BYTES = 8
_OF_0_2_0 = b"SQLite format 3\0"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Record(msgspec.Struct, frozen=True):
    """What is known of a sorted folder."""

    out: bytes  #: absolute, without symbolic links
    inode: int = 0  #: of OUT; 0 before it was made
    made: int = 0  #: the number of folders that were made, from OUT up
    labels: tuple[str, ...] = ()  #: folders of labels that were not there before


class SortedFolder:
    """A folder that was sorted into, or is about to be, held by this process."""

    def __init__(self, out: str, token: str, lock: int) -> None:
        self.out, self._token, self._lock = out, token, lock
        self._record = _read(token) or Record(os.fsencode(out))
        if self._record.out != os.fsencode(out):  # moved: the folders above it are not its own
            made = min(self._record.made, 1)
            self._record = msgspec.structs.replace(self._record, out=os.fsencode(out), made=made)

    def logs(self) -> list[SortLog]:
        """The logs of all tables that were sorted into it, the newest first. Raises SetupError."""
        return _newest_first(_logs(self._token, self.out))

    def log(self, job: str) -> SortLog:
        """That of the table of a job, which may be new. Raises SetupError."""
        return log_of(self._token, job, self.out)

    def make(self, labels: Iterable[str]) -> None:
        """Make the folder, with its id. What is missing of it, and of the folders of labels, is
        recorded first. Raises SetupError."""
        before, path = self._record, Path(self.out, SORT_LOG)
        missing = {label for label in labels if not os.path.lexists(Path(self.out, label))}
        self._note(before.made or _missing(self.out), {*before.labels, *missing})
        with atomic_file.writing(Path(self.out), "choose another --into"):
            atomic_file.make_folder(Path(self.out))
            failpoint("sort.out-made")
            if self._has_id() and not path.stat().st_size:  # of a process that was killed
                path.unlink()
            with suppress(FileExistsError):
                file = os.open(path, _NEW, 0o644)
                with open(file, "wb") as written:
                    failpoint("sort.id-created")
                    written.write(b"%s\n" % self._token.encode())
                    atomic_file.sync(written)
                atomic_file.sync_folder(path.parent)
        self._note(self._record.made, self._record.labels)  # with its inode

    def remove(self) -> None:
        """Remove the logs, which have no files left, the record, and the folders that were made, as
        far as they are empty. Raises SetupError."""
        with atomic_file.writing(_path(self._token), job_index.REMEDY):
            for log in self.logs():
                log.path.unlink()
                failpoint("sort.log-removed")
            if self._has_id():
                Path(self.out, SORT_LOG).unlink()
                failpoint("sort.id-removed")
            for label in self._record.labels:
                _remove_empty(Path(self.out, label))
            for folder in [Path(self.out), *Path(self.out).parents][: self._record.made]:
                _remove_empty(folder)
            _path(self._token).unlink()  # without a sync: a record that returns names no file
        failpoint("sort.record-removed")

    def _has_id(self) -> bool:
        """Whether the folder has its id, or an empty file of a process that was killed."""
        with suppress(SetupError):
            return _id_file(self.out) in (b"", f"{self._token}\n".encode())
        return False

    def _note(self, made: int, labels: Iterable[str]) -> None:
        out, path = os.fsencode(self.out), _path(self._token)
        self._record = Record(out, _inode(out), made, tuple(sorted(labels)))
        with atomic_file.writing(path, job_index.REMEDY):
            line_log.append_to(self._lock, path, [msgspec.json.encode(self._record)], _decode)
        failpoint("sort.recorded")


@contextmanager
def locked(out: str, create: bool = False) -> Iterator[SortedFolder]:
    """A folder that was sorted into; with `create` also another one. Raises as `token_of`, and
    UsageError: another process holds it, or there is none."""
    token = token_of(out)
    if not token and not create:
        raise UsageError(f"{out} has no {SORT_LOG}: nothing was sorted into it")
    path = _path(token := token or secrets.token_hex(_ID_BYTES))
    with atomic_file.writing(path, job_index.REMEDY):
        job_index.make_private(path.parent)
        file = regular_file.open_to_append(path)
    try:
        if not file_lock.try_acquire(file) or file_lock.lost(path, file):
            raise UsageError(f"another hangtag sort runs in {out}; wait for it to end")
        try:
            yield SortedFolder(out, token, file)
        finally:
            if not os.fstat(file).st_size:  # for a record that was lost or could not be written
                path.unlink(missing_ok=True)
    finally:
        os.close(file)


def token_of(out: str) -> str:
    """The id of a folder that was sorted into; empty for another one.

    Raises:
        UsageError: it was sorted by another user or on another machine, or is a copy.
        SetupError: version 0.2.0 sorted it, or the file with the id has none.
    """
    folder = os.fsencode(out)
    records = {token: record for token in tokens() if (record := _read(token))}
    for token, record in records.items():
        if record.out == folder and (not _inode(folder) or record.inode in (0, _inode(folder))):
            return token
    found = _id_file(out)
    if found is None:
        return ""
    path = Path(out, SORT_LOG)
    if found.startswith(_OF_0_2_0):
        raise SetupError(
            f"{path} is the log of a sort by version 0.2.0; take the images back with that version"
        )
    if not _ID.fullmatch(found):
        raise SetupError(f"{path}: it is no id of a sorted folder; move it away")
    token = found.decode().strip()
    before = records.get(token)
    if before is None and not any(_logs(token, out)):
        raise UsageError(
            f"the log of {out} is not here: {_path(token)} does not exist; only the user who "
            "sorted it, on that machine, can take its images back or sort more into it"
        )
    if before is not None and _inode(before.out) == before.inode != 0:
        raise UsageError(f"{out} is a copy of the sorted folder {os.fsdecode(before.out)}")
    return token


def log_of(token: str, job: str, out: str) -> SortLog:
    """The log of the table of a job, which may be new, without its lock. Raises SetupError."""
    return SortLog(_path(f"{token}-{job}"), out)


def logs_of(job: str = "*") -> list[SortLog]:
    """The logs of a job, or all of them, the newest first; each in the folder where it was sorted
    into last. Raises SetupError."""
    return _newest_first(
        log
        for token in tokens()
        if (record := _read(token))
        for log in _logs(token, os.fsdecode(record.out), job)
    )


def _newest_first(logs: Iterable[SortLog]) -> list[SortLog]:
    return sorted(logs, key=lambda log: log.started.at if log.started else 0.0, reverse=True)


def _logs(token: str, out: str, job: str = "*") -> Iterator[SortLog]:
    for path in sorted(state_folder().glob(f"{token}-{job}.jsonl")):
        yield SortLog(path, out)


def state_folder() -> Path:
    """The folder of all records and logs."""
    return job_index.index_dir().with_name("sorts")


def _path(name: str) -> Path:
    return state_folder() / f"{name}.jsonl"


def tokens() -> list[str]:
    """The ids of all folders that this user has sorted into."""
    return [path.stem for path in sorted(state_folder().glob("*.jsonl")) if "-" not in path.stem]


def _read(token: str) -> Record | None:
    """The last record of a folder; None if there is none."""
    return next(iter(reversed([*intact(_path(token), _decode, [])])), None)


def _decode(content: bytes) -> Record:
    try:
        return msgspec.json.decode(content, type=Record)
    except MISFITS as error:
        raise BadMessage(str(error)) from error


def _id_file(out: str) -> bytes | None:
    """The first bytes of the file for the id. Raises SetupError: it is no file."""
    path = Path(out, SORT_LOG)
    try:
        file = regular_file.open_fd(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; move it away") from None
    try:
        return os.read(file, 2 * len(_OF_0_2_0))
    finally:
        os.close(file)


def _inode(folder: bytes) -> int:
    """0 if there is none."""
    try:
        return os.lstat(folder).st_ino
    except OSError:
        return 0


def _missing(out: str) -> int:
    """The number of folders that do not exist, from OUT up."""
    return sum(not os.path.lexists(folder) for folder in [Path(out), *Path(out).parents])


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
        failpoint("sort.folder-removed")
