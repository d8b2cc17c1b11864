"""Writes a plot to the path that the user gave: atomically, and never over a file without
`force`."""

from __future__ import annotations

from pathlib import Path

from shared import atomic_file
from shared.errors import UsageError
from shared.messages.batch import new_id
from shared.messages.files import printable

SUFFIX = ".png"


def check(path: Path, force: bool) -> None:
    """Check a plot's path before work starts.

    Raises:
        UsageError: a PNG file cannot be written there, or the path exists (unless `force`).
    """
    if path.suffix.lower() != SUFFIX:
        raise UsageError(f"{printable(path)} must be a PNG file; let its name end in {SUFFIX}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {printable(path.absolute().parent)}; create it first")
    if path.is_dir() or (not force and (path.exists() or path.is_symlink())):
        raise UsageError(
            f"{printable(path)} exists; choose another name, or replace it with --force"
        )


def write(path: Path, data: bytes) -> None:
    """Write the bytes of a plot atomically.

    Raises:
        SetupError: the disk is full or the folder read-only.
    """
    path = path.absolute()
    part = path.with_name(f"{new_id()}{atomic_file.DRAFT_SUFFIX}")
    with atomic_file.writing(path, "fix this and run again"):
        with atomic_file.created(part) as file:
            file.write(data)
        atomic_file.place(part, path)
