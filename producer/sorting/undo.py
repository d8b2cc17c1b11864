"""Takes the files of a sorted folder back: copies and links are removed, moved files return.

Nothing is removed whose content is not where it came from, and nothing is written over.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Sequence

from producer.sort_log.entry import Entry, State, Way
from producer.sort_log.log import SortLog
from producer.sorting import placing, transfer
from producer.sorting.folders import Folders
from producer.sorting.originals import Originals
from producer.sorting.placing import check_next
from producer.sorting.plan import Remaining, reason
from producer.sorting.spots import FileStays, Identity, Spot, content_at, same_file
from shared.messages.files import printable

GONE = "no longer in the folder"
SOURCE_GONE = "the original was removed or changed, so this one is kept"
LIST_UNREAD = (
    "the address of the original is in its list, which --undo does not read, so this one is kept"
)
EDITED = "changed since it was copied"
TAKEN = "another file has its former name"


class Undo:
    """Takes back every entry of a log, the last one first."""

    def __init__(
        self,
        log: SortLog,
        folders: Callable[[], Folders],
        left: Remaining,
        passed: Callable[[], None],
    ) -> None:
        self._log, self._folders, self._left, self._passed = log, folders, left, passed
        self._token, self._originals = log.token, Originals()

    def run(self) -> Counter[str]:
        """Take the files back; returns how many by folder.

        Raises:
            SetupError: the disk is full or read-only; the same command continues.
        """
        count, before = Counter[str](), None
        while entries := self._log.last_placed(placing.BATCH_FILES, before):
            before = entries[-1].key
            count.update(entry.folder for entry in self._batch(entries))
        return count

    def _batch(self, entries: Sequence[Entry]) -> list[Entry]:
        """Take these back, and log which are; returns them."""
        with self._log.transaction():
            self._log.mark(entries, State.RETURNING)
        back = self._take_all(entries)
        keys = {entry.key for entry in back}
        with self._log.transaction():
            self._log.forget(back)
            self._log.mark((entry for entry in entries if entry.key not in keys), State.PLACED)
        return back

    def _take_all(self, entries: Sequence[Entry]) -> list[Entry]:
        """Take these back; returns those that are back for good, also after a power failure. What
        was copied to another file system is removed only when its copy is."""
        done: list[Entry] = []
        copied: list[tuple[Entry, Identity]] = []
        with self._folders() as folders:
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
            _check(entry.way is not Way.MOVE, GONE)
            return None
        if entry.way is Way.MOVE:
            return self._move_back(entry, place, folders.source(entry, make=True))
        if self._originals.holds(entry.source):
            _check(not self._originals.is_in_list(entry.source), LIST_UNREAD)
            _check(self._originals.content(entry.source) == entry.content, SOURCE_GONE)
            _check(content_at(place) == entry.content, EDITED)
            transfer.remove(place, entry.content, self._aside(place, entry))
            return None
        source = folders.source(entry)
        if entry.way is Way.LINK:
            _check(same_file(source, place), SOURCE_GONE)
        else:
            _check(content_at(source) == entry.content, SOURCE_GONE)
            _check(content_at(place) == entry.content, EDITED)
        self._remove_second(entry, place, source)
        return None

    def _remove_second(self, entry: Entry, place: Spot, source: Spot) -> None:
        """Remove a copy or a link, unless its original is another file, of the same size and
        CRC-32, or the same name."""
        try:
            transfer.remove(place, source, self._aside(place, entry))
        except FileStays:
            raise FileStays(SOURCE_GONE) from None

    def _move_back(self, entry: Entry, place: Spot, source: Spot) -> Identity | None:
        try:
            transfer.move(place, source, None)
            return None
        except FileExistsError:
            raise FileStays(TAKEN) from None
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        part = Spot(source.folder, entry.part(self._token))
        try:
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
        self._left.add(reason(error), f"{entry.folder}/{printable(entry.name)}")

    def _aside(self, spot: Spot, entry: Entry) -> Spot:
        return Spot(spot.folder, entry.aside(self._token))


def _check(good: bool, why: str) -> None:
    if not good:
        raise FileStays(why)
