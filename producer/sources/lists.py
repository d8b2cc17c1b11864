"""The files of a job that a list names: one path a line, or names that each end with NUL.

A list from standard input is recorded beside the journal of its job, since it is read more than
once, and a resumed job needs it again. The queries and passwords of addresses may be secrets, so
the record has none; the list itself, in a file without a name, ends with the process that received
it. The record's name has a digest of its content, and the options in the journal name it: a process
that is killed between the two leaves the list that the journal knows.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import IO, BinaryIO, cast

from producer.job.job_options import STDIN, JobOptions
from producer.sources.reader import FileReader
from producer.sources.remote.address import address_line, has_secret, recorded_line, shown_address
from producer.sources.source import LOCAL, is_address, kind_of_line
from shared import atomic_file, regular_file
from shared.errors import UsageError
from shared.failpoints import failpoint
from shared.messages.files import printable
from shared.stop import Waits

_BLOCK_BYTES = 1 << 20
_NUL, _LINE_END = b"\0", b"\n"
_ADDRESS_MARK = b"://"
_READ = re.compile(rb"(https?|s3)://", re.IGNORECASE)
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_INFIX = ".hangtag.list-"  #: after the name of the table
_DIGEST_CHARS = 16
_REMEDY = "choose another -o, or fix this and run the same command again"


def numbered_paths(options: JobOptions) -> Iterator[tuple[int, bytes]]:
    """Every path of the job's list with the number of its line or name; empty ones are none."""
    with regular_file.open_file(list_path(options)) as file:
        for number, path in enumerate(lines_of(file, options)):
            if path:
                yield number, path


def list_path(options: JobOptions) -> bytes:
    """The absolute path of the job's list, or of its record if it comes from standard input."""
    if options.is_piped:
        return os.fsencode(f"{options.output}{options.list_suffix}")
    return FileReader(options.cwd).local_path(options.list_file)


def kinds_in_list(options: JobOptions) -> tuple[str, ...]:
    """The kinds of sources that lines of the job's list are of; that of files alone of a list that
    cannot be read, which is reported by `check_list`."""
    kinds = {LOCAL}
    files = FileReader(options.cwd)
    with suppress(OSError):
        for _, line in numbered_paths(options):
            if _ADDRESS_MARK in line:
                kinds.add(kind_of_line(line, files.local_path(line)))
    return tuple(sorted(kinds))


def check_list(options: JobOptions, is_new: bool) -> None:
    """Check the job's list before work starts.

    Raises:
        UsageError: it cannot be read, or is no list of this kind.
    """
    where = list_name(options)
    if is_address(options.list_file, list_path(options)):
        raise UsageError(f"{where} is an address; put it into a file, and name that with --list")
    try:
        with regular_file.open_file(list_path(options)) as file:
            check_names(file, options, is_new)
    except OSError as error:  # it is read more than once: a pipe cannot be
        advice = "save the list as one" if error.errno == errno.EINVAL else "check the path"
        raise UsageError(f"{where}: {error.strerror}; {advice}") from None


def check_names(file: IO[bytes], options: JobOptions, is_new: bool) -> None:
    """Check what a list contains; the addresses in it only if `is_new`.

    Raises:
        UsageError: it is no list of this kind, or as `check_line`.
        OSError: it cannot be read.
    """
    where, size = list_name(options), file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    if options.list0 and file.read(1) not in (b"", _NUL):
        raise UsageError(
            f"{where} does not end with NUL; give names as of find -print0, or one path a line to "
            "--list"
        )
    file.seek(0)
    if not options.list0 and file.read(len(codecs.BOM_UTF8)).startswith(_MARKS):
        raise UsageError(f"{where} starts with a byte order mark; save it as UTF-8 without one")
    file.seek(0)
    for line in lines_of(file, options):
        if _NUL in line:
            raise UsageError(
                f"{where} has NUL bytes; give one path a line, or read it with --list0"
            )
        if is_new:
            check_line(line, options)


def list_name(options: JobOptions) -> str:
    """The job's list, for a message."""
    if options.list_file == STDIN:
        return "the list of images"
    if _ADDRESS_MARK in options.list_file:  # it may have a secret in its query
        return shown_address(options.list_file)
    return printable(options.list_file)


def separator(options: JobOptions) -> bytes:
    """What ends each path of the job's list."""
    return _NUL if options.list0 else _LINE_END


def lines_of(file: IO[bytes], options: JobOptions) -> Iterator[bytes]:
    """The lines or names of a list, also empty ones."""
    return _names(file) if options.list0 else _lines(file)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    return (line.rstrip(b"\r\n") for line in file)


def _names(file: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := file.read(_BLOCK_BYTES):
        *names, rest = (rest + block).split(_NUL)
        yield from names
    if rest:
        yield rest


def check_line(line: bytes, options: JobOptions) -> None:
    """Check that a line is no address where it would be the path of a file: its row would have its
    secrets, and be missing.

    Raises:
        UsageError: it is one that nothing reads, or of a kind that the started job has none of, or
            it has other characters before it.
    """
    if _ADDRESS_MARK not in line:
        return
    path, where = FileReader(options.cwd).local_path(line), list_name(options)
    if is_address(line, path):
        kind = kind_of_line(line, path)
        if kind == LOCAL:
            raise UsageError(f"{where}: {address_line(line)}")
        if options.kinds and kind not in options.kinds:
            raise UsageError(
                f"{where} has addresses of {kind}, and had none when the job started; give them a "
                "list and a table of their own, or start over with --restart"
            )
    elif _READ.search(line) and not os.path.lexists(path):
        raise UsageError(
            f"{where} has an address behind other characters, such as a space or a quotation mark; "
            "give one address a line, without them"
        )


@contextmanager
def received(stream: BinaryIO, options: JobOptions, waits: Waits) -> Iterator[BufferedRandom]:
    """All of standard input, in a file without a name that is gone after the block; empty if it is
    a terminal.

    Raises:
        UsageError: it is no list of paths.
        SetupError: it cannot be stored.
        Stopped: as `waits` say; a list that has ended since may lack its end.
    """
    folder = os.path.dirname(options.output)
    with atomic_file.writing(Path(folder), _REMEDY):
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed below
    with file:
        if not stream.isatty():
            with atomic_file.writing(Path(folder), _REMEDY):
                for block in _blocks(stream, waits):
                    file.write(block)
        if not is_empty(file):
            check_names(file, options, options.file_roots is None)
        yield file


def _blocks(stream: BinaryIO, waits: Waits) -> Iterator[bytes]:
    """What a stream has, as soon as it is there."""
    is_file = isinstance(stream, BufferedReader)  # tests pass bytes
    while True:
        if is_file:
            waits.until_readable(stream.fileno())
        block = cast(BufferedReader, stream).read1(_BLOCK_BYTES)
        waits.check()
        if not block:
            return
        yield block


@contextmanager
def without_secrets(file: BufferedRandom, options: JobOptions) -> Iterator[BufferedRandom]:
    """A list as it is recorded; the same file if it has no secrets. Raises SetupError."""
    file.seek(0)
    if not any(map(has_secret, lines_of(file, options))):
        yield file
        return
    file.seek(0)
    folder = Path(options.output).parent
    with atomic_file.writing(folder, _REMEDY):
        public = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed below
    with public:
        with atomic_file.writing(folder, _REMEDY):
            for line in lines_of(file, options):
                public.write(recorded_line(line) + separator(options))
        yield public


def is_empty(file: BufferedRandom) -> bool:
    """Whether a list has no byte. Its position is at its start afterwards."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size == 0


def record(file: BufferedRandom, output: str) -> str:
    """Store a list beside the journal of a table; return what its name adds to that of the table.

    Raises:
        SetupError: it cannot be written.
    """
    suffix = _suffix(file)
    path = Path(f"{output}{suffix}")
    with atomic_file.writing(path, _REMEDY):
        file.seek(0)
        draft = path.with_name(f"{path.name}{atomic_file.DRAFT_SUFFIX}")
        with atomic_file.created(draft) as copy:
            shutil.copyfileobj(file, copy, _BLOCK_BYTES)
        atomic_file.rename_durably(draft, path)
        failpoint("list.recorded")
    return suffix


def is_grown(file: BufferedRandom, options: JobOptions) -> bool:
    """Whether a list has more than the recorded one, and first the same; false of an equal one. If
    the recorded one is missing, an equal one counts as more.

    Raises:
        UsageError: it is another list.
    """
    file.seek(0)
    try:
        known = regular_file.open_file(list_path(options))
    except OSError:
        if options.list_suffix != _suffix(file):
            raise _another_list(options) from None
        return True  # it is recorded again
    with known:
        ends = True
        while block := known.read(_BLOCK_BYTES):
            if file.read(len(block)) != block:
                raise _another_list(options)
            ends = block.endswith(separator(options))
    more = file.read(1)
    if more and not ends and more != separator(options):
        raise _another_list(options)
    return bool(more)


def _another_list(options: JobOptions) -> UsageError:
    return UsageError(
        f"{list_name(options)} is not the one that the job of {options.output} was started with; "
        "repeat that one, continue with the recorded one by </dev/null, or start over with "
        "--restart"
    )


def recorded_lists(output: Path) -> list[Path]:
    """Every list that is recorded beside the journal of a table, also one that a process which was
    killed has left."""
    start = f"{output.name}{_INFIX}"
    with os.scandir(output.parent) as entries:
        return [output.parent / entry.name for entry in entries if entry.name.startswith(start)]


def forget(output: str, suffix: str) -> None:
    """Remove a recorded list that no journal needs."""
    if suffix.startswith(_INFIX):
        with suppress(OSError):
            os.unlink(f"{output}{suffix}")
    failpoint("list.forgotten")


def _suffix(file: BufferedRandom) -> str:
    file.seek(0)
    return f"{_INFIX}{hashlib.file_digest(file, 'sha256').hexdigest()[:_DIGEST_CHARS]}"
