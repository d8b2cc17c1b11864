"""Compares a finished job's files with its folders as they are now."""

from __future__ import annotations

import os
from collections.abc import Iterator

from producer.job.row_batch import Row
from producer.job.sealed_journal import SealedJournal
from producer.sources.compared import KnownRow, PresentFiles, compared
from producer.sources.job_sources import JobSources, WalkPosition, announced
from producer.sources.row_files import RowFiles
from shared.errors import NoCredentials, SetupError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_DIGEST, NO_STAMP, Stamp, digest, printable

_File = tuple[WalkPosition, Stamp]


GONE = "was removed or moved"
_UPDATE = "classify it again with --update"
_UPDATE_OR_RESTORE = f"restore it, or {_UPDATE}"
_MOVED_IN_LIST = "has another place than its row; classify with --update to move the row"

#: The maximum number of problems; a table with more is not compared further.
PROBLEMS_MAX = 100


def file_problems(
    sealed: SealedJournal, files: RowFiles, deep: bool, skipped: dict[str, int]
) -> Iterator[str]:
    """One line for each file that differs from its row, has no row, or was removed; `deep` reads
    every file again. At the end `skipped` has the entries without a row, by reason. Raises
    SetupError.
    """
    sources = files.sources
    try:
        sources.check()
    except NoCredentials:
        raise
    except SetupError as error:
        yield _moved_away(sources) or str(error)
        return
    walk = _Walk(PresentFiles(files))
    pairs = compared(walk, sealed, walk.present)
    if deep and sources.ahead:
        pairs = announced(pairs, sources.ahead, lambda pair: _announce(pair[1], sources))
    last = (-1, 0)
    for file, placed_row in pairs:
        row = None
        if placed_row is not None:
            known = placed_row[1]
            row, place = known.rows.row(known.i, 1), (known.record.n, known.i)
            if known.i == 0:
                sealed.passed(len(known.rows))
            if file is not None and place < last:
                yield f"{printable(row.name)}: {_MOVED_IN_LIST}"
            last = place
        yield from _problems(file, row, files, walk, deep)
    yield from walk.problems()
    if not walk.error:
        skipped.update(walk.present.skipped)


def _announce(row: tuple[WalkPosition, KnownRow] | None, sources: JobSources) -> None:
    if row is not None:
        sources.announce((row[0][1],))


def _problems(
    file: _File | None, row: Row | None, files: RowFiles, walk: _Walk, deep: bool
) -> Iterator[str]:
    """The problems of a file and its row; of one that was moved, where it is."""
    moved = None if row is None else files.moved_to(row.name)
    if row is not None and moved is not None:
        if problem := _moved_problem(row, files, deep):
            yield f"{printable(moved)}: {problem}"
        row = None
    if row is None:
        if file is not None and not walk.present.is_absent(file):
            yield f"{printable(file[0][1])}: {_without_row(file[0][1], files)}"
        return
    if file is not None and not walk.present.is_absent(file):
        problem = _problem(row, file[1], files, deep)
    elif walk.may_hold(row.name) or _is_missing_as_stated(row, files.sources):
        problem = ""
    else:
        problem = GONE
    if problem:
        yield f"{printable(row.name)}: {problem}"


def _is_missing_as_stated(row: Row, sources: JobSources) -> bool:
    """Whether a row has the status of a file that is missing, and it is."""
    has_gone = row.status in (Status.MISSING, Status.CHANGED)
    return has_gone and sources.source_of(row.name).is_missing(row.name)


def _without_row(name: bytes, files: RowFiles) -> str:
    if files.moved_to(name) is None:
        return "has no row; classify with --update to add it"
    return (
        "has no row, since an image of this name was sorted elsewhere; rename it and classify with "
        "--update"
    )


def _moved_away(sources: JobSources) -> str:
    """The line for a folder that is no longer at its path: it names what is missing of the path,
    since a parent may have been renamed."""
    for argument in sources.local_arguments():
        path = argument.place
        if argument.is_file or argument.was_pattern or not argument.is_missing(path):
            continue
        while argument.is_missing(os.path.dirname(path)):
            path = os.path.dirname(path)
        return (
            f"{printable(path)} no longer exists, where the job's files were; move it back to "
            "compare them, or classify it where it is with --restart"
        )
    return ""


class _Walk:
    """The files that are there now, up to the first one after which they cannot be listed."""

    def __init__(self, present: PresentFiles) -> None:
        self.present = present
        self.error = ""  #: why it has ended early, so that all files after its end are unknown

    def __iter__(self) -> Iterator[_File]:
        try:
            for file in self.present:
                if not self.present.row_files.is_placed(file[0][1]):
                    yield file
        except SetupError as error:
            self.error = str(error)

    def may_hold(self, name: bytes) -> bool:
        """Whether a file is unknown: below a folder that cannot be listed, or after the end."""
        return bool(self.error) or self.present.may_hold(name)

    def problems(self) -> Iterator[str]:
        for folder, why in self.present.closed.items():
            yield f"{printable(folder)}: cannot be listed ({why}), so its files are unknown"
        if self.error:
            yield self.error


def _moved_problem(row: Row, files: RowFiles, deep: bool) -> str:
    """The problem of a moved file. A disk may store less exact times, so its content decides."""
    stamp = files.stamp(row.name)
    rounded = stamp != row.stamp and stamp[0] == row.stamp[0] and row.digest not in (b"", NO_DIGEST)
    if rounded and digest(files.read(row.name)[0]) == row.digest:
        return ""
    return _problem(row, stamp, files, deep, _UPDATE_OR_RESTORE)


def _problem(row: Row, stamp: Stamp, files: RowFiles, deep: bool, restart: str = _UPDATE) -> str:
    """`stamp` is that of the file now, `restart` the remedy for a file that has a label."""
    if row.status is Status.CHANGED:
        return ""  # its row says so
    repeat = restart if row.status is Status.OK else "classify it again with --retry-failed"
    if row.status is Status.MISSING:
        if stamp == NO_STAMP:
            return ""  # unknown: it cannot be reached
        return f"was missing when the job read it, and exists now; {repeat}"
    if row.stamp == NO_STAMP:
        _, stamp = files.read(row.name, MAX_FILE_BYTES)
        return "" if stamp == NO_STAMP else f"could not be read, and can be read now; {repeat}"
    if stamp != row.stamp:
        return f"has another size or time than when it was classified; {repeat}"
    if deep and row.digest and digest(files.read(row.name)[0]) != row.digest:
        return "has other content than when it was classified, with the same size and time"
    return ""
