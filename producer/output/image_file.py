"""Writes a plot to the path that the user gave: atomically, and never over a file without
`force`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from shared.errors import SetupError, UsageError
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
    try:
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent, delete=False) as part:
            try:
                part.write(data)
                part.flush()
                os.fchmod(part.fileno(), 0o666 & ~_umask())
                os.replace(part.name, path)
            except BaseException:
                os.unlink(part.name)
                raise
    except OSError as error:
        raise SetupError(f"{printable(path)}: {error.strerror}; fix this and run again") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
