"""A finished job's files held against its folders as they are now."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from producer.align import align
from producer.options import JobOptions
from producer.reader import NO_STAMP, digest, read, stamp_of
from producer.sealed import Sealed
from producer.walk import Walk, check_roots, shown
from shared.contract import decode_result
from shared.errors import UsageError
from shared.reference import Stamp
from shared.status import BY_CODE, Status


class _File(msgspec.Struct, frozen=True):
    name: bytes  #: as it is in the table
    real: bytes
    stamp: Stamp
    digest: bytes
    status: Status


def file_problems(sealed: Sealed, deep: bool) -> Iterator[str]:
    """One line for each file that is not what its row says, has no row, or is gone; `deep`
    reads every file again. Raises SetupError."""
    try:
        check_roots(sealed.options)
    except UsageError as error:
        yield str(error)
        return
    walked = _walked(sealed.options)
    for file, path in align(_there(sealed), walked, lambda file: file.name, lambda path: path):
        if file is None:
            yield f"{shown(path or b'')}: has no row; --restart takes it in"
        elif path is None:
            yield f"{shown(file.name)}: is gone, or is not where it was"
        elif problem := _problem(file, deep):
            yield f"{shown(path)}: {problem}"


def _walked(options: JobOptions) -> Iterator[bytes]:
    for _, path in Walk(options).paths():
        # A list may name what is not there.
        if not options.list_file or os.path.exists(_real(options, path)):
            yield path


def _there(sealed: Sealed) -> Iterator[_File]:
    """The job's files but those whose rows say that there is none, and there is none."""
    for names, stamps, digests, result in sealed.files():
        statuses = decode_result(result, len(names)).statuses
        for name, stamp, known, code in zip(names, stamps, digests, statuses, strict=True):
            file = _File(name, _real(sealed.options, name), stamp, known, BY_CODE[code])
            gone = file.status in (Status.MISSING, Status.CHANGED)
            if not gone or os.path.exists(file.real):
                yield file


def _problem(file: _File, deep: bool) -> str:
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
    if deep and file.digest and digest(read(file.real)[0]) != file.digest:
        return "has other content than when it was classified, with the same size and time"
    return ""


def _real(options: JobOptions, name: bytes) -> bytes:
    return os.path.join(options.cwd, name)
