"""The record of the folders that files of a table were sorted into: TABLE.sorted, one a line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared import atomic_file, file_lock, regular_file
from shared.errors import SetupError
from shared.failpoints import failpoint

SUFFIX = ".sorted"
_REMEDY = "fix this, or copy the table and its journal to a folder that can be written"


def record_of(table: Path) -> Path:
    """The file with that record; none of a table that was never sorted."""
    return table.with_name(table.name + SUFFIX)


def sorted_into(table: Path) -> list[str]:
    """The folders that files of a table were sorted into, the newest first. Raises SetupError."""
    try:
        with regular_file.open_file(record_of(table)) as file:
            text = file.read().decode(errors="surrogateescape")
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise SetupError(f"{record_of(table)}: {error.strerror}; move it away") from None
        return []
    return list(reversed(text.splitlines()))


def remember(table: Path, out: str) -> None:
    """Record that files of a table are sorted into a folder. Raises SetupError."""
    with _changing(table):
        _write(table, [*(other for other in reversed(sorted_into(table)) if other != out), out])


def forget(table: Path, out: str) -> None:
    """Remove the record. Raises SetupError."""
    if out not in sorted_into(table):
        return
    with _changing(table):
        _write(table, [other for other in reversed(sorted_into(table)) if other != out])


@contextmanager
def _changing(table: Path) -> Iterator[None]:
    """Exclude sorts of the table into other folders, and their `--undo`, by a lock of its folder:
    the record itself is replaced and removed. Raises SetupError."""
    with atomic_file.writing(record_of(table), _REMEDY):
        folder = os.open(table.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some network disks lock no folder
            file_lock.acquire(folder)
        yield
    finally:
        os.close(folder)


def _write(table: Path, outs: list[str]) -> None:
    pointer = record_of(table)
    with atomic_file.writing(pointer, _REMEDY):
        if not outs:
            pointer.unlink(missing_ok=True)
        elif list(reversed(outs)) != sorted_into(table):
            part = pointer.with_name(f"{pointer.name}.part")
            with atomic_file.created(part) as file:
                file.write("".join(f"{out}\n" for out in outs).encode())
            atomic_file.place(part, pointer)
        failpoint("sort.folder-noted")
