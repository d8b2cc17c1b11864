"""A list of paths from standard input: it is recorded beside the journal of its job, since it is
read more than once, and a resumed job needs it again.

The queries and passwords of addresses may be secrets, so the record has none. The list itself, in a
file without a name, ends with the process that received it.

The record's name has a digest of its content, and the options in the journal name it. So a process
that is killed between the two leaves the list that the journal knows.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from producer.inputs.job_options import JobOptions
from producer.sources.path_list import (
    check_names,
    lines_of,
    list_name,
    list_path,
    separator,
)
from producer.sources.remote.address import has_secret, recorded
from shared import atomic_file, regular_file
from shared.errors import UsageError
from shared.failpoints import failpoint
from shared.stop import Waits

_BLOCK_BYTES = 1 << 20
_INFIX = ".hangtag.list-"  #: after the name of the table
_DIGEST_CHARS = 16
_REMEDY = "choose another -o, or fix this and run the same command again"


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
                public.write(recorded(line) + separator(options))
            _shorten(public, file)
        yield public


def _shorten(public: BufferedRandom, file: BufferedRandom) -> None:
    """Leave out the last line end, unless the list has it."""
    file.seek(-1, os.SEEK_END)
    if file.read(1) not in (b"\n", b"\0"):
        public.seek(-1, os.SEEK_END)
        public.truncate()


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
        atomic_file.place(draft, path)
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
            raise _is_other(options) from None
        return True  # it is recorded again
    with known:
        ends = True
        while block := known.read(_BLOCK_BYTES):
            if file.read(len(block)) != block:
                raise _is_other(options)
            ends = block.endswith(separator(options))
    more = file.read(1)
    if more and not ends and more != separator(options):
        raise _is_other(options)
    return bool(more)


def _is_other(options: JobOptions) -> UsageError:
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
