"""Files of this machine: those of a folder, or one file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from producer.inputs.job_options import JobOptions
from producer.sources.local.folder_walk import REMEDY, FolderWalk, listed
from producer.sources.local.reader import GONE, FileReader, resolved
from producer.sources.refusals import check_local
from producer.sources.source import Source
from shared.errors import SetupError, UsageError
from shared.messages.files import printable
from shared.stop import Waits

if TYPE_CHECKING:
    from producer.sources.walk import Walk


class LocalSource(FileReader, Source):
    """The files of an argument. It reads those of other arguments and of lists, too."""

    def __init__(self, options: JobOptions, waits: Waits, number: int | None = None) -> None:
        """Of a job that has started. `number` is that of the argument."""
        Source.__init__(self, b"" if number is None else options.roots[number], options, waits)
        FileReader.__init__(self, options.cwd)
        self.is_file = number in (options.file_roots or ())
        self.was_pattern = number in options.pattern_roots

    @property
    def place(self) -> bytes:
        """The absolute path of the argument."""
        return self.local_path(self.typed)

    @property
    def identity(self) -> bytes:
        return resolved(self.place)

    def holds(self, name: bytes) -> bool:
        return True

    def check(self, is_new: bool) -> None:
        if (is_new or self.was_pattern) and not os.path.isdir(self.place):
            check_local(self.typed, self.place)
        try:
            self._check_kind()
        except OSError as error:
            gone = error.errno in GONE
            if gone and self.is_file and not is_new:
                return  # its row says so
            what = f"{printable(self.typed)}: {error.strerror}"
            if gone and is_new:
                raise UsageError(f"{what}; check the path") from None
            raise SetupError(f"{what}; {REMEDY}") from None

    def entries(self, after: bytes, walk: Walk) -> Iterator[bytes]:
        if self.is_file:  # a row with any ending
            return iter((self.typed,) if self.typed > after else ())
        return FolderWalk(self, self.options, walk).names(self.typed, after)

    def _check_kind(self) -> None:
        """Raises OSError for a path that cannot be reached, UsageError for a special file, and
        SetupError for a folder that cannot be listed."""
        if not self.typed:  # its path would be the job's folder
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        path, typed = self.place, printable(self.typed)
        mode = os.stat(path).st_mode
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            raise UsageError(f"{typed} is neither a folder nor a file; name one of these")
        if stat.S_ISDIR(mode):
            with listed(self.typed):
                os.scandir(path).close()
