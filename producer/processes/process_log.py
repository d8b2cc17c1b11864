"""The log of this machine's stack, bounded while several processes append to it.

They share one inherited descriptor and cannot reopen the log, so the file itself is truncated:
with O_APPEND each process continues at the new end. The removed part is stored in one older file.
"""

from __future__ import annotations

import os
from pathlib import Path

#: A longer log is rotated.
MAX_BYTES = 1 << 20
OLDER = ".1"
_CHUNK_BYTES = 1 << 16


def bound(path: Path) -> None:
    """Rotate the log if it is too long. A line that is written within microseconds may be lost."""
    try:
        if path.stat().st_size <= MAX_BYTES:
            return
        with path.open("r+b") as log:
            log.seek(-MAX_BYTES, os.SEEK_END)
            part = path.with_name(path.name + ".part")
            with part.open("wb") as older:
                while chunk := log.read(_CHUNK_BYTES):  # includes lines that are appended meanwhile
                    older.write(chunk)
                log.truncate(0)
            part.replace(path.with_name(path.name + OLDER))
    except OSError:
        return  # the disk is full, or the folder was removed: the next turn retries
