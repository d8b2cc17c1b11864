"""An open file, closed once nothing reads it: a walk may go on in one that was replaced."""

from __future__ import annotations

import os

from shared import regular_file

#: The last position that a file can have. Headers may claim one of more bits.
POSITION_MAX = (1 << 63) - 1


class ArchiveFile:
    """Bytes at any position. Raises OSError if there is no such file."""

    def __init__(self, path: bytes) -> None:
        self._fd = -1
        self._fd = regular_file.open_fd(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def size(self) -> int:
        """Its size now."""
        return os.fstat(self._fd).st_size

    def read(self, count: int, at: int) -> bytes:
        """The bytes from a position on; fewer at the end. Raises OSError."""
        return os.pread(self._fd, count, at) if at <= POSITION_MAX else b""
