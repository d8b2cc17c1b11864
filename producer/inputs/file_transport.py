"""How a job's files reach its workers: as bytes, or as references to files that both sides see."""

from __future__ import annotations

import os
from collections.abc import Callable

from producer.inputs.job_options import JobOptions
from producer.inputs.reader import probe, read
from shared.errors import UsageError
from shared.image_status import Status
from shared.messages.files import MAX_PATH_BYTES, PATH, UNSEEN, Reference, Stamp, fits, printable
from shared.settings import Settings

#: After so many batches in a row that came back, with none in between that was classified, the
#: rest of the job travels inline.
REFUSALS_MAX = 3


class Transport:
    """One run's transport. What is offered a second time always travels inline, so a batch goes
    back and forth once at most, and every row is what it is inline."""

    def __init__(self, options: JobOptions, settings: Settings) -> None:
        self._by_path, self._max_bytes = options.transport == PATH, options.max_file_bytes
        self._root = real_root(settings)
        self._folder: bytes | None = None  #: of the last file
        self._prefix: bytes | None = None
        self._sent: set[int] = set()  #: batches under way whose files are referred to
        self._refused = 0

    def take(self, path: bytes) -> tuple[bytes | Reference | Status, Stamp]:
        """A file as it travels, or the reason why it does not, and its stamp."""
        if not self._by_path:
            return read(path, self._max_bytes)
        status, stamp = probe(path, self._max_bytes)
        if status is not None:
            return status, stamp
        below = self._below(path)
        if below is None:
            return read(path, self._max_bytes)
        return Reference(below, stamp), stamp

    def sent(self, batch: int) -> None:
        """A batch that refers to files is about to be offered."""
        self._sent.add(batch)

    def finished(self, batch: int) -> None:
        """A batch has its result."""
        if batch in self._sent:
            self._sent.remove(batch)
            self._refused = 0

    def lost(self, batch: int, trouble: Callable[[], str]) -> None:
        """A batch is not in Redis any more, and is about to be offered inline. `trouble` tells why
        a worker gave a batch back, if one did."""
        if batch in self._sent:
            self._sent.remove(batch)
            self._refused += trouble().startswith(UNSEEN)
            self._by_path = self._by_path and self._refused < REFUSALS_MAX

    def explained(self, trouble: str) -> str:
        """Why a worker gave a batch back, for whoever waits: with references nothing is wrong."""
        if not trouble.startswith(UNSEEN):
            return trouble
        whose = "their bytes" if self._by_path else "from here on the bytes of all files"
        return f"{trouble}; {whose} are sent"

    def _below(self, path: bytes) -> bytes | None:
        """The path below the root; None for a file that is not below it."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._folder:
            self._folder, self._prefix = folder, self._relative(folder)
        if self._prefix is None or not fits(name):
            return None
        below = self._prefix + name
        return below if len(below) <= MAX_PATH_BYTES else None

    def _relative(self, folder: bytes) -> bytes | None:
        """What stands before the names of a folder's files."""
        real = os.path.realpath(folder or b"/").rstrip(b"/") + b"/"
        return real[len(self._root) :] if real.startswith(self._root) else None


def real_root(settings: Settings) -> bytes:
    """What is cut off the paths of files, with its slash. Workers of this machine's stack see all
    files that their user sees: they have the root `/`."""
    root = settings.root if settings.redis_url and settings.root else "/"
    return os.path.realpath(os.fsencode(root)).rstrip(b"/") + b"/"


def check_below(options: JobOptions, settings: Settings) -> None:
    """Find out before work starts whether workers can be told where the files are.

    Raises:
        UsageError: a folder or file that was typed does not lie below HANGTAG_ROOT.
    """
    if options.transport != PATH:
        return
    root = real_root(settings)
    for typed in options.roots:
        real = os.path.realpath(os.path.join(options.cwd, typed))
        if not (real + b"/").startswith(root):
            raise UsageError(
                f"{printable(typed)} is not below HANGTAG_ROOT={printable(root)}, from where "
                "--transport path names files; set it to a folder above, or use --transport inline"
            )
