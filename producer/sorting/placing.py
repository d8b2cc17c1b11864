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
from producer.sorting.plan import PlannedFile, Planner, Remaining
from producer.sources.row_files import RowFiles
from shared.image_status import Status

#: Files between two syncs of the log: a sync takes about as long as many files. Each may need two
#: open folders, which stays below the usual limit of 1,024 open files.
BATCH_FILES = 200


def completed(
    entries: Iterable[Entry],
    folders: Folders,
    act: Callable[[Entry, Folders], Identity | None],
    remove: Callable[[Entry, Identity, Folders], None],
    refuse: Callable[[Entry, FileStays | OSError], None],
    passed: Callable[[int], None],
) -> list[Entry]:
    """Act on files; returns those that are at their goal for good, also after a power failure.

    `act` brings a file to its goal, and returns what is to be removed because it was copied to
    another file system: `remove` does so when its copy is there for good. `refuse` gets what
    both raise; `passed` is called for each file.
    """
    done, copied = list[Entry](), list[tuple[Entry, Identity]]()
    for entry in entries:
        try:
            original = act(entry, folders)
        except (FileStays, OSError) as error:
            refuse(entry, error)
        else:
            if original is None:
                done.append(entry)
            else:
                copied.append((entry, original))
        passed(1)
    folders.sync()
    if not copied:
        return done
    for entry, original in copied:
        try:
            remove(entry, original, folders)
        except (FileStays, OSError) as error:
            refuse(entry, error)
        else:
            done.append(entry)
    folders.sync()
    return done


class Placing:
    """Places files."""

    def __init__(
        self,
        log: SortLog,
        remaining: Remaining,
        passed: Callable[[int], None],
        planner: Planner,
        files: RowFiles,
    ) -> None:
        """`passed` gets the number of files that were placed or stay; `files` has the images that
        are in no files of their own."""
        self._log, self._remaining, self._passed = log, remaining, passed
        self._planner, self._files = planner, files
        self._elsewhere: dict[int, bytes] = {}  #: the names of those among the rows of a batch
        self.there = Counter[str]()  #: the number of files by folder that lay there before

    def place_rows(self, rows: Sequence[PlannedFile]) -> None:
        """Place the files of at most BATCH_FILES rows.

        Raises:
            SetupError: the disk is full or read-only; the same command continues.
            UsageError: there can be no hard links to these files.
        """
        self._elsewhere = {row.row_index: row.name for row in rows if row.name}
        log = self._log
        with Folders(log.out) as folders:
            entries, there = self._planner.plan(rows, folders)
            log.write(entries)
            for entry in there:
                self._leave(entry, folders)
            self._passed(len(rows) - len(entries))
            done = completed(
                log.under_way(), folders, self._act, self._remove, self._refuse, self._passed
            )
        log.mark(State.PLACED, done)
        log.mark(State.OVER, log.under_way())

    def _leave(self, entry: Entry, folders: Folders) -> None:
        """Count a file that lies in its place, and comes into no log."""
        try:
            with opened(folders.source_spot(entry)) as fd:
                check(fd, entry.content)
            self.there[entry.folder] += 1
        except (FileStays, OSError) as error:
            self._refuse(entry, error)

    def _act(self, entry: Entry, folders: Folders) -> Identity | None:
        name = self._elsewhere.get(entry.row)
        source = folders.source_spot(entry) if name is None else self._content(name, entry.content)
        while True:
            try:
                return self._transfer(entry, source, folders.goal_spot(entry))
            except FileExistsError:
                entry = self._planner.with_free_name(entry, folders)
                self._log.write([entry])

    def _content(self, name: bytes, content: ClassifiedContent) -> bytes:
        """The bytes of an image that is in no file of its own. Raises FileStays."""
        data = self._files.classified(name, (content.size, 0), content.crc)
        if isinstance(data, bytes):
            return data
        raise FileStays(MISSING if data is Status.MISSING else CHANGED)

    def _transfer(self, entry: Entry, source: Spot | bytes, place: Spot) -> Identity | None:
        """Write, copy, link or move; returns as `completed` says. Raises FileStays, OSError."""
        part = Spot(place.folder, entry.part(self._log.name))
        if isinstance(source, bytes):
            transfer.make_file(source, place, part, entry.content)
        elif entry.way is Way.LINK:
            transfer.make_link(source, place, entry.content, entry.source_text)
        elif entry.way is Way.COPY:
            transfer.copy(source, place, part, entry.content)
        elif not transfer.move(source, place, entry.content):
            _check_writable(source)
            return transfer.copy(source, place, part, entry.content)
        return None

    def _remove(self, entry: Entry, copied: Identity, folders: Folders) -> None:
        source, aside = folders.source_spot(entry), entry.aside(self._log.name)
        try:
            transfer.remove(source, copied, aside)
        except (FileStays, OSError):
            place = folders.goal_spot(self._log.entries[entry.row])
            with suppress(FileStays):  # another process has changed the copy: it stays, too
                transfer.remove(place, entry.content, aside)
            raise

    def _refuse(self, entry: Entry, error: FileStays | OSError) -> None:
        self._remaining.refuse(entry.source_text, error)


def _check_writable(spot: Spot) -> None:
    """Raises OSError if a file cannot be removed, before it is copied."""
    if os.fstatvfs(spot.folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(b".", os.W_OK | os.X_OK, dir_fd=spot.folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
