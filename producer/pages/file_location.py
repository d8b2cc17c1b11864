"""Where the file of a row is now, and its bytes, if they are those that were classified."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from producer.inputs.job_options import JobOptions
from producer.inputs.reader import read
from shared.image_status import Status
from shared.messages.files import NO_DIGEST, Stamp, digest

#: From the path of a row, as the table has it, to where the file was moved; None: nowhere.
Moved = Callable[[bytes], bytes | None]


class FileLocation:
    """The files of one job."""

    def __init__(self, options: JobOptions, moved: Moved = lambda name: None) -> None:
        self._options, self._moved = options, moved

    def path(self, name: bytes) -> bytes:
        """The absolute path of the file of a row; `name` is its path in the table."""
        return self._moved(name) or os.path.join(self._options.cwd, name)

    def classified(self, name: bytes, stamp: Stamp, known: bytes) -> bytes | Status:
        """The file's bytes; `missing`, `changed` or `unreadable` if they are not those that were
        classified.

        `stamp` and `known` are the size and time, and the CRC-32, that the journal has of the file.
        A file that was copied back may have another time; its size and checksum decide.
        """
        data, now = read(self.path(name), self._options.max_file_bytes)
        if isinstance(data, Status):
            return data
        if known and known != NO_DIGEST:
            same = len(data) == stamp[0] and digest(data) == known
        else:
            same = now == stamp
        return data if same else Status.CHANGED

    def sha256(self, name: bytes, stamp: Stamp, known: bytes) -> str | Status:
        """The SHA-256 of the same bytes, in hexadecimal."""
        data = self.classified(name, stamp, known)
        return data if isinstance(data, Status) else hashlib.sha256(data).hexdigest()
