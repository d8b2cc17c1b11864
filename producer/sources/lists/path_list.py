"""The files of a job that a list names: one path a line, or names that each end with NUL."""

from __future__ import annotations

import codecs
import errno
from collections.abc import Iterator
from typing import IO

from producer.inputs.job_options import STDIN, JobOptions
from producer.sources.other_sources import address_line, is_address
from shared import regular_file
from shared.errors import UsageError
from shared.messages.files import MAX_PATH_BYTES, printable

_BLOCK_BYTES = 1 << 20
_NUL, _LINE_END = b"\0", b"\n"
_ADDRESS_MARK = b"://"
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def numbered_paths(options: JobOptions) -> Iterator[tuple[int, bytes]]:
    """Every path of the job's list with the number of its line or name; empty ones are none."""
    with regular_file.open_file(options.list_path) as file:
        for number, path in enumerate(_names(file) if options.list0 else _lines(file)):
            if path:
                yield number, path


def check_list(options: JobOptions) -> None:
    """Check the job's list before work starts.

    Raises:
        UsageError: it cannot be read, or is no list of this kind.
    """
    where = list_name(options)
    try:
        regular_file.check(options.list_path)
    except OSError as error:  # it is read more than once: a pipe cannot be
        advice = "save the list as one" if error.errno == errno.EINVAL else "check the path"
        raise UsageError(f"{where}: {error.strerror}; {advice}") from None
    try:
        with regular_file.open_file(options.list_path) as file:
            check_names(file, options)
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror}; check the path") from None


def check_names(file: IO[bytes], options: JobOptions) -> None:
    """Check what a list contains.

    Raises:
        UsageError: it is no list of this kind.
        OSError: it cannot be read.
    """
    check = _check_names if options.list0 else _check_lines
    has_address = check(file, list_name(options))
    if has_address and options.file_roots is None:
        file.seek(0)
        _check_addresses(file, options)


def list_name(options: JobOptions) -> str:
    """The job's list, for a message."""
    if options.list_file == STDIN:
        return "the list from standard input"
    return printable(options.list_file)


def separator(options: JobOptions) -> bytes:
    """What ends each path of the job's list."""
    return _NUL if options.list0 else _LINE_END


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    return (line.rstrip(b"\r\n") for line in file)


def _names(file: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        *names, rest = (rest + block).split(_NUL)
        yield from names
    if rest:
        yield rest


def _check_lines(file: IO[bytes], where: str) -> bool:
    """Returns whether a line may be an address."""
    is_first, has_address = True, False
    while block := file.read(_BLOCK_BYTES):
        if is_first and block.startswith(_MARKS):
            raise UsageError(f"{where} starts with a byte order mark; save it as UTF-8 without one")
        if _NUL in block:
            raise UsageError(
                f"{where} has NUL bytes; give one path a line, or read it with --list0"
            )
        is_first = False
        has_address |= _ADDRESS_MARK in block
    return has_address


def _check_names(file: IO[bytes], where: str) -> bool:
    """Returns whether a name may be an address."""
    rest, has_address = b"", False
    ends_with_nul = True
    while block := file.read(_BLOCK_BYTES):
        has_address |= _ADDRESS_MARK in block
        *_, rest = (rest + block).split(_NUL)
        ends_with_nul = not rest
        if len(rest) > MAX_PATH_BYTES:
            break
    if not ends_with_nul:
        raise UsageError(
            f"{where} does not end with NUL; give names as of find -print0, or one path a line to "
            "--list"
        )
    return has_address


def _check_addresses(file: IO[bytes], options: JobOptions) -> None:
    for path in _names(file) if options.list0 else _lines(file):
        if is_address(path, options.absolute(path)):
            raise UsageError(f"{list_name(options)}: {address_line(path)}")
