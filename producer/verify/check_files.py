"""A finished job's files held against its folders as they are now."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from producer.inputs.job_options import JobOptions
from producer.inputs.reader import read, stamp_of
from producer.inputs.walk import Walk, check_roots
from producer.verify.align import align
from producer.verify.sealed_journal import SealedJournal
from shared.errors import SetupError
from shared.image_status import BY_CODE, Status
from shared.messages.batch import decode_result
from shared.messages.files import NO_STAMP, Stamp, digest, printable


class _File(msgspec.Struct, frozen=True):
    name: bytes  #: as it is in the table
    real: bytes
    stamp: Stamp
    digest: bytes
    status: Status


def file_problems(sealed: SealedJournal, deep: bool, skipped: dict[str, int]) -> Iterator[str]:
    """One line for each file that is not what its row says, has no row, or is gone; `deep`
    reads every file again. At the end `skipped` has what is no row, by reason. Raises SetupError.
    """
    try:
        check_roots(sealed.options)
    except SetupError as error:
        yield str(error)
        return
    closed = _Closed()
    walked = _walked(sealed.options, closed, skipped)
    for file, path in align(_there(sealed), walked, lambda file: file.name, lambda path: path):
        yield from closed.news()
        if file is None:
            yield f"{printable(path or b'')}: has no row; --restart takes it in"
        elif path is None and closed.holds(file.name):
            continue  # nobody can tell
        elif path is None:
            yield f"{printable(file.name)}: is gone, or is not where it was"
        elif problem := _problem(file, deep, sealed.options.max_file_bytes):
            yield f"{printable(path)}: {problem}"
    yield from closed.news()


class _Closed:
    """The folders that cannot be listed, as the walk comes to them."""

    def __init__(self) -> None:
        self._folders: set[bytes] = set()
        self._news: list[str] = []

    def add(self, folder: bytes, why: str) -> None:
        self._folders.add(folder)
        self.tell(
            f"{printable(folder)}: cannot be listed ({why}), so nobody can tell what is in it"
        )

    def tell(self, problem: str) -> None:
        self._news.append(problem)

    def news(self) -> list[str]:
        """One line for each, once."""
        news, self._news = self._news, []
        return news

    def holds(self, name: bytes) -> bool:
        """Whether a file is below one of them."""
        return any(name.startswith(folder + b"/") for folder in self._folders)


def _walked(options: JobOptions, closed: _Closed, skipped: dict[str, int]) -> Iterator[bytes]:
    walk = Walk(options, closed.add)
    try:
        for _, path in walk.paths():
            # A list may name what is not there.
            if not options.list_file or os.path.exists(_real(options, path)):
                yield path
        skipped.update(walk.skipped)
    except SetupError as error:
        closed.tell(str(error))


def _there(sealed: SealedJournal) -> Iterator[_File]:
    """The job's files but those whose rows say that there is none, and there is none."""
    for names, stamps, digests, result in sealed.files():
        statuses = decode_result(result, len(names)).statuses
        for name, stamp, known, code in zip(names, stamps, digests, statuses, strict=True):
            file = _File(name, _real(sealed.options, name), stamp, known, BY_CODE[code])
            gone = file.status in (Status.MISSING, Status.CHANGED)
            if not gone or os.path.exists(file.real):
                yield file


def _problem(file: _File, deep: bool, max_bytes: int) -> str:
    if file.status is Status.CHANGED:
        return ""  # its row says so
    cure = "--restart" if file.status is Status.OK else "--retry-failed"
    if file.status is Status.MISSING:
        return f"was gone when it was to be read, and is there now; {cure} does it again"
    if file.stamp == NO_STAMP:
        _, now = read(file.real)
        again = f"could not be read, and can be now; {cure} does it again"
        return "" if now == NO_STAMP else again
    if stamp_of(file.real) != file.stamp:
        return f"has another size or time than when it was classified; {cure} does it again"
    if deep and file.digest and digest(read(file.real, max_bytes)[0]) != file.digest:
        return "has other content than when it was classified, with the same size and time"
    return ""


def _real(options: JobOptions, name: bytes) -> bytes:
    return os.path.join(options.cwd, name)
