"""Places the files of rows in batches: planned in the log, done, synced, marked in the log."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from producer.locations.row_files import RowFiles
from producer.sort_log.entry import ClassifiedContent, Entry, State, Way
from producer.sort_log.log import SortLog
from producer.sorting import transfer
from producer.sorting.folders import Folders
from producer.sorting.plan import PlannedFile, Planner, Remaining, reason
from producer.sorting.spots import CHANGED, MISSING, FileStays, Identity, Spot, check, link, opened
from shared.errors import SetupError, UsageError
from shared.image_status import Status
from shared.labels.class_folders import SORT_LOG

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
        self._left, self._passed, self._token = left, passed, log.token
        self._placed: list[Entry] = []  #: done, and not marked in the log yet
        self._left_in_place: list[Entry] = []  #: not done, and still in the log
        self.there = Counter[str]()  #: the number of files by folder that lay there before

    def place(self, rows: Sequence[PlannedFile]) -> None:
        """Place the files of at most BATCH_FILES rows.

        Raises:
            SetupError: the disk is full or read-only; the same command continues.
            UsageError: there can be no hard links to these files.
        """
        self._elsewhere = {row.row_index: row.name for row in rows if row.name}
        with Folders(self._out) as folders:
            with self._log.transaction():
                self._store()
                entries = self._planner.plan(rows, folders)
            for _ in range(len(rows) - len(entries)):
                self._passed()
            copied = self._act(entries, folders)
            folders.sync()
            if copied:
                self._remove(copied, folders)
                folders.sync()

    def finish(self) -> None:
        """Mark the last batch in the log."""
        with self._log.transaction():
            self._store()

    def _store(self) -> None:
        self._log.mark(self._placed, State.PLACED)
        self._log.forget(self._left_in_place)
        self._placed, self._left_in_place = [], []

    def _act(self, entries: Sequence[Entry], folders: Folders) -> list[tuple[Entry, Identity]]:
        """Do what was planned; returns the files that were copied and are to be removed."""
        copied = []
        for planned in entries:
            try:
                if folders.is_placed(planned):
                    self._leave(planned, folders.source(planned))
                    continue
                entry, identity = self._place(planned, folders)
            except (FileStays, OSError) as error:
                self._check_link(planned, error, folders)
                self._count_stay(planned, error)
            else:
                if identity is None:
                    self._placed.append(entry)
                else:
                    copied.append((entry, identity))
            finally:
                self._passed()
        return copied

    def _leave(self, entry: Entry, source: Spot) -> None:
        """Count a file that lies in its place, and is not in the log. Raises FileStays, OSError."""
        with opened(source) as fd:
            check(fd, entry.content)
        self.there[entry.folder] += 1

    def _place(self, entry: Entry, folders: Folders) -> tuple[Entry, Identity | None]:
        name = self._elsewhere.get(entry.row)
        source = folders.source(entry) if name is None else self._content(name, entry.content)
        while True:
            try:
                return entry, self._transfer(entry, source, folders.place(entry))
            except FileExistsError:
                entry = self._planner.again(entry, folders)

    def _content(self, name: bytes, content: ClassifiedContent) -> bytes:
        """The bytes of an image that is in no file of its own. Raises FileStays."""
        data = self._files.classified(name, (content.size, 0), content.crc)
        if isinstance(data, bytes):
            return data
        raise FileStays(MISSING if data is Status.MISSING else CHANGED)

    def _transfer(self, entry: Entry, source: Spot | bytes, place: Spot) -> Identity | None:
        """Write, copy, link or move; returns the source's identity if it was copied and is to be
        removed. Raises FileStays, OSError."""
        part = Spot(place.folder, entry.part(self._token))
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
        self._left_in_place.append(entry)

    def _check_link(self, entry: Entry, error: FileStays | OSError, folders: Folders) -> None:
        """Raises UsageError if no other file could get a hard link in that folder either."""
        if entry.way is not Way.LINK or not isinstance(error, OSError):
            return
        # Linux also refuses a link to a file that another user owns, or that is immutable.
        foreign = error.errno == errno.EPERM and self._can_link(entry, folders)
        if error.errno in _NO_LINK and not foreign:
            raise no_links(entry.shown) from error

    def _can_link(self, entry: Entry, folders: Folders) -> bool:
        """Tries it with the log, a file of this user. Its second name is that of an incomplete
        copy, which `settle` removes after a crash."""
        part = Spot(folders.place(entry).folder, entry.part(self._token))
        try:
            link(Spot(folders.at(self._out), os.fsencode(SORT_LOG)), part)
            transfer.unlink(part)
        except OSError:
            return False
        return True

    def _remove(self, copied: list[tuple[Entry, Identity]], folders: Folders) -> None:
        """Remove the sources, whose copies are complete on the other file system."""
        for entry, identity in copied:
            source, place = folders.source(entry), folders.place(entry)
            aside = entry.aside(self._token)
            try:
                transfer.remove(source, identity, Spot(source.folder, aside))
            except (FileStays, OSError) as error:
                with suppress(FileStays):  # another process has changed the copy: it stays, too
                    transfer.remove(place, entry.content, Spot(place.folder, aside))
                self._count_stay(entry, error)
            else:
                self._placed.append(entry)


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
