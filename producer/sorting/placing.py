"""Places the files of rows in batches: planned in the log, done, synced, marked in the log."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from producer.locations.row_files import RowFiles
from producer.sort_log.entry import ClassifiedContent, Entry, State, Way
from producer.sort_log.log import SortLog
from producer.sorting import transfer
from producer.sorting.folders import Folders
from producer.sorting.plan import PlannedFile, Planner, Remaining, reason
from producer.sorting.spots import CHANGED, MISSING, FileStays, Identity, Spot, check, opened
from shared.errors import SetupError, UsageError
from shared.image_status import Status

#: Files between two syncs of the log: a sync takes about as long as many files. Each may need two
#: open folders, which stays below the usual limit of 1,024 open files.
BATCH_FILES = 200
#: Errors that the next file meets, too.
_STOP = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
#: What a hard link fails with on a file system, or between two, that cannot have it.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP}


class Placing:
    """Places files, and keeps the log."""

    def __init__(
        self,
        log: SortLog,
        out: bytes,
        planner: Planner,
        left: Remaining,
        files: RowFiles,
        passed: Callable[[], None],
    ) -> None:
        """`files` has the images that are in no files of their own. `passed` is called after each
        file."""
        self._log, self._out, self._planner, self._files = log, out, planner, files
        self._elsewhere: dict[int, bytes] = {}  #: the names of those among the rows of a batch
        self._left, self._passed = left, passed
        self.there = Counter[str]()  #: the number of files by folder that lay there before

    def place(self, rows: Sequence[PlannedFile]) -> None:
        """Place the files of at most BATCH_FILES rows.

        Raises:
            SetupError: the disk is full or read-only; the same command continues.
            UsageError: there can be no hard links to these files.
        """
        self._elsewhere = {row.row_index: row.name for row in rows if row.name}
        with Folders(self._out) as folders:
            entries = self._planner.plan(rows, folders)
            for _ in range(len(rows) - len(entries)):
                self._passed()
            there = [entry for entry in entries if folders.is_placed(entry)]
            self._log.write(entry for entry in entries if not folders.is_placed(entry))
            for entry in there:
                self._leave(entry, folders)
            done, copied = self._act(self._log.under_way(), folders)
            folders.sync()
            if copied:
                done += self._removed(copied, folders)
                folders.sync()
        self._log.mark(State.PLACED, done)
        self._log.mark(State.OVER, self._log.under_way())

    def _act(
        self, entries: Sequence[Entry], folders: Folders
    ) -> tuple[list[Entry], list[tuple[Entry, Identity]]]:
        """Do what was planned; returns the files that are placed, and those that were copied and
        are to be removed."""
        done, copied = list[Entry](), list[tuple[Entry, Identity]]()
        for entry in entries:
            try:
                identity = self._place(entry, folders)
            except (FileStays, OSError) as error:
                _check_link(entry, error, folders)
                self._count_stay(entry, error)
            else:
                if identity is None:
                    done.append(entry)
                else:
                    copied.append((entry, identity))
            self._passed()
        return done, copied

    def _leave(self, entry: Entry, folders: Folders) -> None:
        """Count a file that lies in its place, and comes into no log."""
        try:
            with opened(folders.source(entry)) as fd:
                check(fd, entry.content)
            self.there[entry.folder] += 1
        except (FileStays, OSError) as error:
            self._count_stay(entry, error)
        self._passed()

    def _place(self, entry: Entry, folders: Folders) -> Identity | None:
        name = self._elsewhere.get(entry.row)
        source = folders.source(entry) if name is None else self._content(name, entry.content)
        while True:
            try:
                return self._transfer(entry, source, folders.place(entry))
            except FileExistsError:
                entry = self._planner.again(entry, folders)
                self._log.write([entry])

    def _content(self, name: bytes, content: ClassifiedContent) -> bytes:
        """The bytes of an image that is in no file of its own. Raises FileStays."""
        data = self._files.classified(name, (content.size, 0), content.crc)
        if isinstance(data, bytes):
            return data
        raise FileStays(MISSING if data is Status.MISSING else CHANGED)

    def _transfer(self, entry: Entry, source: Spot | bytes, place: Spot) -> Identity | None:
        """Write, copy, link or move; returns the source's identity if it was copied and is to be
        removed. Raises FileStays, OSError."""
        part = Spot(place.folder, entry.part(self._log.name))
        if isinstance(source, bytes):
            transfer.make_file(source, place, part, entry.content)
            return None
        match entry.way:
            case Way.LINK:
                transfer.make_link(source, place, entry.content)
                return None
            case Way.COPY:
                transfer.copy(source, place, part, entry.content)
                return None
            case Way.MOVE:
                try:
                    transfer.move(source, place, entry.content)
                    return None
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                _check_writable(source)
                return transfer.copy(source, place, part, entry.content)

    def _count_stay(self, entry: Entry, error: FileStays | OSError) -> None:
        if isinstance(error, OSError):
            check_next(entry, error)
        self._left.add(reason(error), entry.shown)

    def _removed(
        self, copied: Sequence[tuple[Entry, Identity]], folders: Folders
    ) -> Iterator[Entry]:
        """Remove the sources, whose copies are complete on the other file system; those that were
        removed."""
        for entry, identity in copied:
            source, place = folders.source(entry), folders.place(self._log.entries[entry.row])
            aside = entry.aside(self._log.name)
            try:
                transfer.remove(source, identity, Spot(source.folder, aside))
            except (FileStays, OSError) as error:
                with suppress(FileStays):  # another process has changed the copy: it stays, too
                    transfer.remove(place, entry.content, Spot(place.folder, aside))
                self._count_stay(entry, error)
            else:
                yield entry


def _check_link(entry: Entry, error: FileStays | OSError, folders: Folders) -> None:
    """Raises UsageError if no other file could get a hard link in that folder either."""
    if entry.way is not Way.LINK or not isinstance(error, OSError) or error.errno not in _NO_LINK:
        return
    info = folders.source(entry).stat()
    is_own = info is not None and info.st_uid == os.geteuid()
    if is_own or error.errno != errno.EPERM:  # Linux refuses a link to a file of another user
        raise no_links(entry.shown) from error


def _check_writable(spot: Spot) -> None:
    """Raises OSError if a file cannot be removed, before it is copied."""
    if os.fstatvfs(spot.folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(b".", os.W_OK | os.X_OK, dir_fd=spot.folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def check_next(entry: Entry, error: OSError) -> None:
    """Raises SetupError if the next file would meet the same error."""
    if error.errno in _STOP:
        raise SetupError(
            f"{entry.shown}: {error.strerror}; no file is lost: fix this and run the same command "
            "again"
        ) from error


def no_links(path: str) -> UsageError:
    """The error where there can be no hard links."""
    return UsageError(
        f"there can be no hard link to {path} in that folder, which is on another file system or "
        "one without hard links; use --copy"
    )
