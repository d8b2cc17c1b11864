"""The log of this machine's stack, bounded while several processes append to it.

They have inherited one descriptor and cannot be made to open another file, so the file itself is
cut: O_APPEND lets each go on at its new end. What is cut off is kept in one older file.
"""

from __future__ import annotations

import os
from pathlib import Path

#: A longer log is put aside.
MAX_BYTES = 1 << 20
OLDER = ".1"
_CHUNK_BYTES = 1 << 16


def bound(path: Path) -> None:
    """Put the log aside if it is too long. A line that comes within microseconds may be lost."""
    try:
        if path.stat().st_size <= MAX_BYTES:
            return
        with path.open("r+b") as log:
            log.seek(-MAX_BYTES, os.SEEK_END)
            part = path.with_name(path.name + ".part")
            with part.open("wb") as older:
                while chunk := log.read(_CHUNK_BYTES):  # also what is appended meanwhile
                    older.write(chunk)
                log.truncate(0)
            part.replace(path.with_name(path.name + OLDER))
    except OSError:
        return  # the disk is full, or the folder was removed: the next turn tries again
