"""Places the files of rows in batches: planned in the log, done, synced, marked in the log."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from producer.sort_log.log import ClassifiedContent, Entry, SortLog, State, Way
from producer.sorting import transfer
from producer.sorting.folders import (
    CHANGED,
    MISSING,
    FileStays,
    Folders,
    Identity,
    Spot,
    check,
    opened,
)
from producer.sorting.plan import PlannedFile, Planner, Remaining, reason
from producer.sources.row_files import RowFiles
from shared.errors import UsageError
from shared.image_status import Status

#: Files between two syncs of the log: a sync takes about as long as many files. Each may need two
#: open folders, which stays below the usual limit of 1,024 open files.
BATCH_FILES = 200
#: Errors that the next file meets, too.
_STOP = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
#: What a hard link fails with on a file system, or between two, that cannot have it.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP}


class Work:
    """Places files or takes them back, in batches, and keeps the log."""

    def __init__(
        self, log: SortLog, out: bytes, left: Remaining, passed: Callable[[], None]
    ) -> None:
        """`passed` is called after each file."""
        self.log, self.out, self.left, self.passed = log, out, left, passed

    def act(self, entry: Entry, folders: Folders) -> Identity | None:
        """Bring a file to its goal; returns what is to be removed because it was copied to another
        file system. Raises FileStays, OSError."""
        raise NotImplementedError

    def remove(self, entry: Entry, copied: Identity, folders: Folders) -> None:
        """Remove what was copied. Raises FileStays, OSError."""
        raise NotImplementedError

    def refuse(self, entry: Entry, error: FileStays | OSError, folders: Folders) -> None:
        """Count a file that stays where it is. Raises SetupError if the next one would, too."""
        if isinstance(error, OSError) and error.errno in _STOP:
            raise transfer.stopped(entry.shown, error) from error
        self.left.add(reason(error), self.shown(entry))

    @staticmethod
    def shown(entry: Entry) -> str:
        """The name under which a file that stays is counted."""
        return entry.shown

    def completed(self, entries: Iterable[Entry], folders: Folders) -> list[Entry]:
        """Act on files; returns those that are at their goal for good, also after a power failure.
        What was copied to another file system is removed only when its copy is there for good."""
        done, copied = list[Entry](), list[tuple[Entry, Identity]]()
        for entry in entries:
            try:
                rest = self.act(entry, folders)
            except (FileStays, OSError) as error:
                self.refuse(entry, error, folders)
            else:
                if rest is None:
                    done.append(entry)
                else:
                    copied.append((entry, rest))
            self.passed()
        folders.sync()
        if not copied:
            return done
        for entry, rest in copied:
            try:
                self.remove(entry, rest, folders)
            except (FileStays, OSError) as error:
                self.refuse(entry, error, folders)
            else:
                done.append(entry)
        folders.sync()
        return done

    def aside(self, entry: Entry, folder: int) -> Spot:
        """The name of a file that is checked before it is removed."""
        return Spot(folder, entry.aside(self.log.name))


class Placing(Work):
    """Places files."""

    def __init__(
        self,
        log: SortLog,
        out: bytes,
        left: Remaining,
        passed: Callable[[], None],
        planner: Planner,
        files: RowFiles,
    ) -> None:
        """`files` has the images that are in no files of their own."""
        super().__init__(log, out, left, passed)
        self._planner, self._files = planner, files
        self._elsewhere: dict[int, bytes] = {}  #: the names of those among the rows of a batch
        self.there = Counter[str]()  #: the number of files by folder that lay there before

    def place(self, rows: Sequence[PlannedFile]) -> None:
        """Place the files of at most BATCH_FILES rows.

        Raises:
            SetupError: the disk is full or read-only; the same command continues.
            UsageError: there can be no hard links to these files.
        """
        self._elsewhere = {row.row_index: row.name for row in rows if row.name}
        with Folders(self.out) as folders:
            entries, there = self._planner.plan(rows, folders)
            for _ in range(len(rows) - len(entries) - len(there)):
                self.passed()
            self.log.write(entries)
            for entry in there:
                self._leave(entry, folders)
            done = self.completed(self.log.under_way(), folders)
        self.log.mark(State.PLACED, done)
        self.log.mark(State.OVER, self.log.under_way())

    def _leave(self, entry: Entry, folders: Folders) -> None:
        """Count a file that lies in its place, and comes into no log."""
        try:
            with opened(folders.source(entry)) as fd:
                check(fd, entry.content)
            self.there[entry.folder] += 1
        except (FileStays, OSError) as error:
            self.refuse(entry, error, folders)
        self.passed()

    def act(self, entry: Entry, folders: Folders) -> Identity | None:
        name = self._elsewhere.get(entry.row)
        source = folders.source(entry) if name is None else self._content(name, entry.content)
        while True:
            try:
                return self._transfer(entry, source, folders.place(entry))
            except FileExistsError:
                entry = self._planner.again(entry, folders)
                self.log.write([entry])

    def _content(self, name: bytes, content: ClassifiedContent) -> bytes:
        """The bytes of an image that is in no file of its own. Raises FileStays."""
        data = self._files.classified(name, (content.size, 0), content.crc)
        if isinstance(data, bytes):
            return data
        raise FileStays(MISSING if data is Status.MISSING else CHANGED)

    def _transfer(self, entry: Entry, source: Spot | bytes, place: Spot) -> Identity | None:
        """Write, copy, link or move; returns as `act`. Raises FileStays, OSError."""
        part = Spot(place.folder, entry.part(self.log.name))
        if isinstance(source, bytes):
            transfer.make_file(source, place, part, entry.content)
        elif entry.way is Way.LINK:
            transfer.make_link(source, place, entry.content)
        elif entry.way is Way.COPY:
            transfer.copy(source, place, part, entry.content)
        elif not transfer.move(source, place, entry.content):
            _check_writable(source)
            return transfer.copy(source, place, part, entry.content)
        return None

    def remove(self, entry: Entry, copied: Identity, folders: Folders) -> None:
        source = folders.source(entry)
        try:
            transfer.remove(source, copied, self.aside(entry, source.folder))
        except (FileStays, OSError):
            place = folders.place(self.log.entries[entry.row])
            with suppress(FileStays):  # another process has changed the copy: it stays, too
                transfer.remove(place, entry.content, self.aside(entry, place.folder))
            raise

    def refuse(self, entry: Entry, error: FileStays | OSError, folders: Folders) -> None:
        """Raises UsageError if no other file could get a hard link in that folder either."""
        if entry.way is Way.LINK and isinstance(error, OSError) and error.errno in _NO_LINK:
            info = folders.source(entry).stat()
            is_own = info is not None and info.st_uid == os.geteuid()
            if is_own or error.errno != errno.EPERM:  # Linux refuses a link to another user's file
                raise no_links(entry.shown) from error
        super().refuse(entry, error, folders)


def _check_writable(spot: Spot) -> None:
    """Raises OSError if a file cannot be removed, before it is copied."""
    if os.fstatvfs(spot.folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(b".", os.W_OK | os.X_OK, dir_fd=spot.folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def no_links(path: str) -> UsageError:
    """The error where there can be no hard links."""
    return UsageError(
        f"there can be no hard link to {path} in that folder, which is on another file system or "
        "one without hard links; use --copy"
    )
