"""How a job's files reach its workers: as bytes, or as references to files on a shared disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from producer.job.job_options import JobOptions
from producer.sources.job_sources import JobSources
from shared.errors import UsageError
from shared.messages.files import (
    AUTO,
    MAX_PATH_BYTES,
    PATH,
    UNSEEN,
    Reference,
    Stamp,
    printable,
)
from shared.settings import Settings

#: As a number of bytes: every file is smaller.
EVERY_SIZE = 1 << 62
#: With `auto` smaller files are sent as bytes: their transfer costs less than another opening.
LARGE_BYTES = 1 << 14
#: After this number of returned batches in a row, with none classified in between, the rest of the
#: job is sent inline.
REFUSALS_MAX = 3


class Transport:
    """One run's transport. A batch that is offered again is always sent inline, so it is returned
    at most once, and every row is the same as with inline transport, unless a file changes between
    the time it is found and the time a worker reads it: then it is `changed` or `missing`."""

    def __init__(self, options: JobOptions, settings: Settings) -> None:
        auto = options.transport == AUTO
        refers = _alone(settings) if auto else options.transport == PATH
        self.max_file_bytes = options.max_file_bytes  #: of the server, when the job was pinned
        #: Smaller files are sent as bytes.
        self.inline_bytes = (LARGE_BYTES if auto else 0) if refers else EVERY_SIZE
        self._root = real_root(settings)
        self._folder: bytes | None = None  #: of the last file
        self._prefix: bytes | None = None
        self._sent: set[int] = set()  #: batches under way whose files are referred to
        self._refused = 0

    def reference(self, path: bytes, stamp: Stamp) -> Reference | None:
        """The reference to a file; None if it cannot be referred to."""
        below = self._below(path)
        return None if below is None else Reference(below, stamp)

    def sent(self, batch: int) -> None:
        """Record a batch with references that is about to be offered."""
        self._sent.add(batch)

    def finished(self, batch: int) -> None:
        """Record that a batch has its result."""
        if batch in self._sent:
            self._sent.remove(batch)
            self._refused = 0

    def lost(self, batch: int, trouble: Callable[[], str]) -> None:
        """Record a batch that is no longer in Redis, and is about to be offered inline. `trouble`
        returns why a worker returned a batch; empty if none did."""
        if batch in self._sent:
            self._sent.remove(batch)
            self._refused += trouble().startswith(UNSEEN)
            if self._refused >= REFUSALS_MAX:
                self.inline_bytes = EVERY_SIZE

    def explained(self, trouble: str) -> str:
        """The reason of a returned batch for the user. With references it is no error."""
        if not trouble.startswith(UNSEEN):
            return trouble
        some = self.inline_bytes < EVERY_SIZE
        whose = "their bytes" if some else "from here on the bytes of all files"
        return f"{trouble}; {whose} are sent"

    def _below(self, path: bytes) -> bytes | None:
        """The path relative to the root; None for a file outside it."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._folder:
            self._folder, self._prefix = folder, self._relative(folder)
        if self._prefix is None:
            return None
        below = self._prefix + name
        return below if len(below) <= MAX_PATH_BYTES else None

    def _relative(self, folder: bytes) -> bytes | None:
        """The prefix of the names of a folder's files, relative to the root."""
        real = os.path.realpath(folder or b"/").rstrip(b"/") + b"/"
        return real[len(self._root) :] if real.startswith(self._root) else None


def _alone(settings: Settings) -> bool:
    """Whether the workers are those of this machine's stack, which see the same files."""
    return not settings.redis_url and sys.platform == "linux"


def real_root(settings: Settings) -> bytes:
    """The prefix that is removed from the paths of files, with its slash. Workers of this machine's
    stack have the root `/`: they can read the same files as their user."""
    root = settings.root if settings.redis_url and settings.root else "/"
    return os.path.realpath(os.fsencode(root)).rstrip(b"/") + b"/"


def check_below(sources: JobSources, settings: Settings) -> None:
    """Check before work starts that the files can be referred to.

    Raises:
        UsageError: a folder or file that was typed does not lie below HANGTAG_ROOT.
    """
    if sources.options.transport != PATH:
        return
    root = real_root(settings)
    for argument in sources.local_arguments():  # of others bytes are sent
        real = os.path.realpath(argument.place)
        if not (real + b"/").startswith(root):
            raise UsageError(
                f"{printable(argument.typed)} is not below HANGTAG_ROOT={printable(root)}, which "
                "--transport path requires; set it to a parent folder, or use --transport inline"
            )
