"""Files and folders that outlive a power failure: whole, or not there.

The content of a file and its name are two things on a disk. `created` has the content there when
its block ends, `place` the name when it returns; so a name never shows half a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from shared.errors import SetupError


@contextmanager
def created(path: Path, buffering: int = -1) -> Iterator[IO[bytes]]:
    """A new file to write; after the block its content is on the disk, after an error it is gone.

    What was at `path` is unlinked, and never written through: it may be a symbolic link.
    """
    path.unlink(missing_ok=True)
    with open(path, "xb", buffering=buffering) as file:
        try:
            yield file
            sync(file)
        except BaseException:
            _remove(path)
            raise


def place(part: Path, path: Path) -> None:
    """Rename a file, durably. What was at `path` is replaced at once; `part` is gone anyway."""
    try:
        part.replace(path)
    except OSError:
        _remove(part)
        raise
    sync_folder(path.parent)


def replace_volatile(path: Path, data: bytes) -> None:
    """Replace a file at once, without a sync: for content that need not outlive a power failure."""
    part = path.with_name(f"{path.name}.new")
    part.write_bytes(data)
    part.replace(path)


def make_folder(path: Path) -> None:
    """Create a folder and its parents, durably; one that is there stays."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def sync(file: IO[bytes]) -> None:
    """Have what was written to an open file on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)  # a full disk needs the room


@contextmanager
def writing(path: Path, remedy: str) -> Iterator[None]:
    """An OSError in the block becomes a SetupError: `path`, the reason, and what to do."""
    try:
        yield
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror or error}; {remedy}") from error
