"""Files and folders that survive a power failure: either complete or absent.

A file's content and its name are stored separately on disk. The content is synced when the block
of `created` ends, the name when `place` returns, so a name never refers to a partial file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from shared.errors import SetupError

#: Ends the name of a user's file while it is written. No other program uses it: what has this name
#: is what a killed process has left.
DRAFT_SUFFIX = ".hangtag-draft"


@contextmanager
def created(path: Path) -> Iterator[IO[bytes]]:
    """A new file to write: synced to disk after the block, removed after an error.

    An existing file at `path` is unlinked, not overwritten, since it may be a symbolic link.
    """
    with create(path) as file:
        try:
            yield file
            sync(file)
        except BaseException:
            remove(path)
            raise


def create(path: Path, buffering: int = -1) -> IO[bytes]:
    """Open a new file, in the place of what is there."""
    path.unlink(missing_ok=True)
    return open(path, "xb", buffering=buffering)


def rename_durably(part: Path, path: Path) -> None:
    """Rename `part` to `path`, atomically and durably. `part` is removed also on an error."""
    try:
        part.replace(path)
    except OSError:
        remove(part)
        raise
    sync_folder(path.parent)


def replace_volatile(path: Path, data: bytes) -> None:
    """Replace a file atomically, without a sync, for content that a power failure may destroy."""
    part = path.with_name(f"{path.name}.new")
    part.write_bytes(data)
    part.replace(path)


def write_all(descriptor: int, data: bytes) -> None:
    """Write in a loop, since a nearly full disk accepts a part of the data without an error."""
    while data:
        data = data[os.write(descriptor, data) :]


def make_folder(path: Path) -> None:
    """Create a folder and its parents durably, if they do not exist."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync(file: IO[bytes]) -> None:
    """Flush an open file to disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_names(descriptor)
    finally:
        os.close(descriptor)


def sync_names(folder: int) -> None:
    """The same for an open folder. Nothing happens on a file system that cannot sync folders, for
    example of an ISO image."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def remove(path: Path) -> None:
    """Remove a file that was not placed, if that is possible."""
    with suppress(OSError):
        path.unlink(missing_ok=True)  # frees space on a full disk


@contextmanager
def writing(path: Path, remedy: str) -> Iterator[None]:
    """Convert an OSError in the block to a SetupError with `path`, the reason and the remedy."""
    try:
        yield
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror or error}; {remedy}") from error
