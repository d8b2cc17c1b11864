"""Compares a finished job's files with its folders as they are now."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from producer.inputs.job_options import JobOptions
from producer.journal.sealed_journal import SealedJournal
from producer.locations.row_files import RowFiles
from producer.sources.local.reader import is_missing, read, stamp_of
from producer.sources.local.walk import Walk, check_roots
from producer.verify.align import align
from shared.errors import SetupError
from shared.image_status import BY_CODE, Status
from shared.messages.files import NO_DIGEST, NO_STAMP, Stamp, digest, printable


class _ClassifiedFile(msgspec.Struct, frozen=True):
    name: bytes  #: as in the table
    real: bytes
    stamp: Stamp
    digest: bytes
    status: Status


_RESTART = "classify it again with --restart"
#: The remedy for a moved file, which a restart would not find at its path.
_TAKE_BACK = (
    "restore it, or take it back with hangtag sort --undo and classify again with --restart"
)

#: The maximum number of problems; a table with more is not compared further.
PROBLEMS_MAX = 100


def file_problems(
    sealed: SealedJournal, row_files: RowFiles, deep: bool, skipped: dict[str, int]
) -> Iterator[str]:
    """One line for each file that differs from its row, has no row, or was removed; `deep` reads
    every file again. At the end `skipped` has the entries without a row, by reason. Raises
    SetupError.
    """
    options = sealed.options
    try:
        check_roots(options)
    except SetupError as error:
        yield _moved_away(options) or str(error)
        return
    closed = _Closed()
    files = _not_moved(_there(sealed), row_files, options, deep, closed)
    paths = _walked(options, closed, skipped)
    walked = (path for path in paths if not row_files.is_placed(path))
    for file, path in align(files, walked, lambda file: file.name, lambda path: path):
        yield from closed.take_problems()
        if file is None:
            yield f"{printable(path or b'')}: has no row; classify with --restart to add it"
        elif path is None and closed.holds(file.name):
            continue  # unknown: its folder cannot be listed
        elif path is None:
            yield f"{printable(file.name)}: was removed or moved"
        elif problem := _problem(file, deep, options.max_file_bytes):
            yield f"{printable(path)}: {problem}"
    yield from closed.take_problems()


def _not_moved(
    files: Iterator[_ClassifiedFile],
    row_files: RowFiles,
    options: JobOptions,
    deep: bool,
    closed: _Closed,
) -> Iterator[_ClassifiedFile]:
    """The files that are at their paths; the others are checked where they are."""
    for file in files:
        path = row_files.moved_to(file.name)
        if path is None:
            yield file
            continue
        moved = msgspec.structs.replace(file, real=path)
        if problem := _moved_problem(moved, deep, options.max_file_bytes):
            closed.report(f"{printable(path)}: {problem}")


def _moved_away(options: JobOptions) -> str:
    """The line for a folder that is no longer at its path: it names what is missing of the path,
    since a parent may have been renamed."""
    for number in range(len(options.roots)):
        path = options.place(number)
        if number in (options.file_roots or ()) or not is_missing(path):
            continue
        while is_missing(os.path.dirname(path)):
            path = os.path.dirname(path)
        return (
            f"{printable(path)} no longer exists, where the job's files were; move it back to "
            "compare them, or classify it where it is with --restart"
        )
    return ""


class _Closed:
    """The folders that cannot be listed, as the walk finds them, and problems apart from them."""

    def __init__(self) -> None:
        self._folders: set[bytes] = set()
        self._problems: list[str] = []

    def add(self, folder: bytes, why: str) -> None:
        self._folders.add(folder)
        self.report(f"{printable(folder)}: cannot be listed ({why}), so its files are unknown")

    def report(self, problem: str) -> None:
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(problem)

    def take_problems(self) -> list[str]:
        """The lines since the last call."""
        problems, self._problems = self._problems, []
        return problems

    def holds(self, name: bytes) -> bool:
        """Whether a file is below one of them."""
        return any(name.startswith(folder + b"/") for folder in self._folders)


def _walked(options: JobOptions, closed: _Closed, skipped: dict[str, int]) -> Iterator[bytes]:
    walk = Walk(options, closed.add)
    try:
        for number, path in walk.paths():
            # Files that were named, by a list or as arguments, may be missing.
            named = bool(options.list_file) or path == options.roots[number]
            if not named or not is_missing(options.absolute(path)):
                yield path
        skipped.update(walk.skipped)
    except SetupError as error:
        closed.report(str(error))


def _there(sealed: SealedJournal) -> Iterator[_ClassifiedFile]:
    """The job's files, except those that are missing and whose rows say so."""
    for batch in sealed.row_batches():
        each = zip(batch.names, batch.stamps, batch.digests, batch.statuses, strict=True)
        for name, stamp, known, code in each:
            file = _ClassifiedFile(name, sealed.options.absolute(name), stamp, known, BY_CODE[code])
            gone = file.status in (Status.MISSING, Status.CHANGED)
            if not gone or not is_missing(file.real):
                yield file


def _moved_problem(file: _ClassifiedFile, deep: bool, max_bytes: int) -> str:
    """The problem of a moved file. A disk may store less exact times, so its content decides."""
    stamp = stamp_of(file.real)
    rounded = (
        stamp != file.stamp and stamp[0] == file.stamp[0] and file.digest not in (b"", NO_DIGEST)
    )
    if rounded and digest(read(file.real, max_bytes)[0]) == file.digest:
        return ""
    return _problem(file, deep, max_bytes, _TAKE_BACK)


def _problem(file: _ClassifiedFile, deep: bool, max_bytes: int, restart: str = _RESTART) -> str:
    """`restart` is the remedy for a file that has a label."""
    if file.status is Status.CHANGED:
        return ""  # its row says so
    repeat = restart if file.status is Status.OK else "classify it again with --retry-failed"
    if file.status is Status.MISSING:
        if stamp_of(file.real) == NO_STAMP:
            return ""  # unknown: it cannot be reached
        return f"was missing when the job read it, and exists now; {repeat}"
    if file.stamp == NO_STAMP:
        _, stamp = read(file.real)
        return "" if stamp == NO_STAMP else f"could not be read, and can be read now; {repeat}"
    if stamp_of(file.real) != file.stamp:
        return f"has another size or time than when it was classified; {repeat}"
    if deep and file.digest and digest(read(file.real, max_bytes)[0]) != file.digest:
        return "has other content than when it was classified, with the same size and time"
    return ""
