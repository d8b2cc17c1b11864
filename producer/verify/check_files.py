"""Compares a finished job's files with its folders as they are now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from producer.journal.sealed_journal import SealedJournal
from producer.locations.row_files import RowFiles
from producer.sources.ahead import announced
from producer.sources.job_sources import JobSources
from producer.sources.walk import Walk
from producer.verify.align import align
from shared.errors import NoCredentials, SetupError
from shared.image_status import BY_CODE, Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import NO_DIGEST, NO_STAMP, Stamp, digest, printable


class _ClassifiedFile(msgspec.Struct, frozen=True):
    name: bytes  #: as in the table
    stamp: Stamp
    digest: bytes
    status: Status


GONE = "was removed or moved"
_UPDATE = "classify it again with --update"
_UPDATE_OR_RESTORE = f"restore it, or {_UPDATE}"

#: The maximum number of problems; a table with more is not compared further.
PROBLEMS_MAX = 100


def file_problems(
    sealed: SealedJournal, files: RowFiles, deep: bool, skipped: dict[str, int]
) -> Iterator[str]:
    """One line for each file that differs from its row, has no row, or was removed; `deep` reads
    every file again. At the end `skipped` has the entries without a row, by reason. Raises
    SetupError.
    """
    sources, closed = files.sources, _Closed()
    try:
        sources.check()
    except NoCredentials:
        raise
    except SetupError as error:
        yield _moved_away(sources) or str(error)
        return
    walked = (
        image for image in _walked(sources, closed, skipped) if not files.is_placed(image.name)
    )
    rows = _there(sealed, sources)
    if deep and sources.ahead:
        rows = announced(rows, sources.ahead, lambda row: sources.announce((row.name,)))
    in_place = _not_moved(rows, files, deep, closed)
    for row, image in align(in_place, walked, lambda row: row.name, lambda image: image.name):
        yield from closed.take_problems()
        if row is None:
            name = image.name if image else b""
            yield f"{printable(name)}: {_without_row(name, files)}"
        elif image is None and closed.holds(row.name):
            continue  # unknown: its folder cannot be listed
        elif image is None:
            yield f"{printable(row.name)}: {GONE}"
        elif problem := _problem(row, image.stamp, files, deep):
            yield f"{printable(row.name)}: {problem}"
    yield from closed.take_problems()


def _not_moved(
    rows: Iterator[_ClassifiedFile], files: RowFiles, deep: bool, closed: _Closed
) -> Iterator[_ClassifiedFile]:
    """The files that are at their paths; the others are checked where they are."""
    for row in rows:
        path = files.moved_to(row.name)
        if path is None:
            yield row
        elif problem := _moved_problem(row, files, deep):
            closed.report(f"{printable(path)}: {problem}")


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


class _Closed:
    """What cannot be listed, as the walk finds it, and problems apart from that."""

    def __init__(self) -> None:
        self._folders: set[bytes] = set()
        self._is_cut = False
        self._problems: list[str] = []

    def add(self, folder: bytes, why: str) -> None:
        self._folders.add(folder)
        self.report(f"{printable(folder)}: cannot be listed ({why}), so its files are unknown")

    def cut(self, problem: str) -> None:
        """The walk has ended early, so that all files after its end are unknown."""
        self._is_cut = True
        self.report(problem)

    def report(self, problem: str) -> None:
        if len(self._problems) < PROBLEMS_MAX:
            self._problems.append(problem)

    def take_problems(self) -> list[str]:
        """The lines since the last call."""
        problems, self._problems = self._problems, []
        return problems

    def holds(self, name: bytes) -> bool:
        """Whether a file is unknown: it is below one of them, or after the end of a walk."""
        below = (name.startswith(folder + b"/") for folder in self._folders)
        return self._is_cut or any(below)


class _Image(NamedTuple):
    """An image that is there now."""

    name: bytes
    stamp: Stamp


def _walked(sources: JobSources, closed: _Closed, skipped: dict[str, int]) -> Iterator[_Image]:
    walk = Walk(sources, closed.add)
    try:
        for _, name, stamp in walk.stamps():
            # What was named, by a list or as an argument, may be missing.
            if stamp != NO_STAMP or not sources.of(name).is_missing(name):
                yield _Image(name, stamp)
        skipped.update(walk.skipped)
    except SetupError as error:
        closed.cut(str(error))


def _there(sealed: SealedJournal, sources: JobSources) -> Iterator[_ClassifiedFile]:
    """The job's files, except those that are missing and whose rows say so."""
    for batch in sealed.row_batches():
        each = zip(batch.names, batch.stamps, batch.digests, batch.statuses, strict=True)
        for name, stamp, known, code in each:
            row = _ClassifiedFile(name, stamp, known, BY_CODE[code])
            gone = row.status in (Status.MISSING, Status.CHANGED)
            if not gone or not sources.of(name).is_missing(name):
                yield row


def _moved_problem(row: _ClassifiedFile, files: RowFiles, deep: bool) -> str:
    """The problem of a moved file. A disk may store less exact times, so its content decides."""
    stamp = files.stamp(row.name)
    rounded = stamp != row.stamp and stamp[0] == row.stamp[0] and row.digest not in (b"", NO_DIGEST)
    if rounded and digest(files.read(row.name)[0]) == row.digest:
        return ""
    return _problem(row, stamp, files, deep, _UPDATE_OR_RESTORE)


def _problem(
    row: _ClassifiedFile, stamp: Stamp, files: RowFiles, deep: bool, restart: str = _UPDATE
) -> str:
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
