"""Takes the files of a sorted folder back: copies and links are removed, moved files return.

Nothing is removed whose content is not where it came from, and nothing is written over.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Sequence

from producer.sort_log.entry import Entry, State, Way
from producer.sort_log.log import SortLog, batches
from producer.sorting import placing, transfer
from producer.sorting.folders import Folders
from producer.sorting.originals import Originals
from producer.sorting.placing import check_next
from producer.sorting.plan import Remaining, reason
from producer.sorting.spots import FileStays, Identity, Spot, content_at

GONE = "no longer in the folder"
SOURCE_GONE = "the original was removed or changed, so this one is kept"
LIST_UNREAD = (
    "the address of the original is in its list, which --undo does not read, so this one is kept"
)
EDITED = "changed since it was copied"
REPLACED = "another file since it was moved; put it back yourself, and undo again"
DAMAGED = "the line in the log is damaged or missing"
TAKEN = "another file has its former name"


class Undo:
    """Takes back every file of a log."""

    def __init__(
        self, log: SortLog, out: bytes, left: Remaining, passed: Callable[[], None]
    ) -> None:
        self._log, self._out, self._left, self._passed = log, out, left, passed
        self._originals = Originals()

    def run(self) -> Counter[str]:
        """Take the files back; returns how many by folder.

        Raises:
            SetupError: the disk is full or read-only; the same command continues.
        """
        count = Counter[str]()
        for number in self._log.damaged:
            self._left.add(DAMAGED, f"{self._log.path}:{number}")
        for entries in batches(list(self._log.entries.values())[::-1], placing.BATCH_FILES):
            self._log.mark(State.RETURNING, entries)
            self._log.write()
            back = self._take_all(entries)
            self._log.mark(State.OVER, back)
            self._log.mark(State.PLACED, self._log.under_way())
            count.update(entry.folder for entry in back)
        self._log.write()
        return count

    def _take_all(self, entries: Sequence[Entry]) -> list[Entry]:
        """Take these back; returns those that are back for good, also after a power failure. What
        was copied to another file system is removed only when its copy is."""
        done: list[Entry] = []
        copied: list[tuple[Entry, Identity]] = []
        with Folders(self._out) as folders:
            for entry in entries:
                try:
                    rest = self._take_back(entry, folders)
                except (FileStays, OSError) as error:
                    self._refuse(entry, error)
                else:
                    if rest is None:
                        done.append(entry)
                    else:
                        copied.append((entry, rest))
                self._passed()
            folders.sync()
            if copied:
                done += [moved for moved, rest in copied if self._remove(moved, rest, folders)]
                folders.sync()
        return done

    def _take_back(self, entry: Entry, folders: Folders) -> Identity | None:
        """Take one file back; returns what was copied, to be removed. Raises FileStays, OSError."""
        place = folders.placed(entry)
        if place is None or place.stat() is None:
            _check(entry.way is not Way.MOVE or _is_back(entry, folders), GONE)
            return None
        if entry.way is Way.MOVE:
            info = place.stat()
            is_same = info is not None and info.st_ino == entry.inode
            _check(is_same or content_at(place) == entry.content, REPLACED)
            return self._move_back(entry, place, folders.source(entry, make=True))
        if entry.way is Way.COPY:
            _check(content_at(place) == entry.content, EDITED)
        if not self._originals.holds(entry.source):
            self._remove_second(entry, place, folders.source(entry))
        else:
            _check(not self._originals.is_in_list(entry.source), LIST_UNREAD)
            _check(self._originals.content(entry.source) == entry.content, SOURCE_GONE)
            transfer.remove(place, entry.content, self._aside(place, entry))
        return None

    def _remove_second(self, entry: Entry, place: Spot, source: Spot) -> None:
        """Remove a copy or a link, unless its original is another file, of the same size and
        CRC-32, or the same name."""
        try:
            transfer.remove(place, source, self._aside(place, entry))
        except FileStays:
            raise FileStays(SOURCE_GONE) from None

    def _move_back(self, entry: Entry, place: Spot, source: Spot) -> Identity | None:
        part = Spot(source.folder, entry.part(self._log.name))
        try:
            try:
                transfer.move(place, source, None)
                return None
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                return transfer.copy(place, source, part, None)
        except FileExistsError:
            raise FileStays(TAKEN) from None

    def _remove(self, entry: Entry, copied: Identity, folders: Folders) -> bool:
        """Remove what was copied back to the other file system."""
        place = folders.place(entry)
        try:
            transfer.remove(place, copied, self._aside(place, entry))
        except (FileStays, OSError) as error:
            self._refuse(entry, error)
            return False
        return True

    def _refuse(self, entry: Entry, error: FileStays | OSError) -> None:
        if isinstance(error, OSError):
            check_next(entry, error)
        self._left.add(reason(error), entry.shown_place)

    def _aside(self, spot: Spot, entry: Entry) -> Spot:
        return Spot(spot.folder, entry.aside(self._log.name))


def _is_back(entry: Entry, folders: Folders) -> bool:
    """Whether a person has put a file back."""
    try:
        return folders.source(entry).stat() is not None
    except FileStays:
        return False


def _check(good: bool, why: str) -> None:
    if not good:
        raise FileStays(why)
