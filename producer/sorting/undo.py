"""Takes the files of a sorted folder back: copies and links are removed, moved files return.

Nothing is removed whose content is not where it came from, and nothing is written over.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress

from producer.job.job_options import JobOptions
from producer.sort_log.log import ClassifiedContent, Entry, SortLog, State, Way, batches
from producer.sorting import placing, transfer
from producer.sorting.folders import FileStays, Folders, Identity, Spot, content_at
from producer.sorting.plan import Remaining
from producer.sources.job_sources import JobSources
from producer.sources.remote.address import line_of
from producer.sources.source import address_of_path
from shared.errors import SetupError
from shared.image_status import Status
from shared.messages.batch import MAX_FILE_BYTES
from shared.messages.files import Stamp, digest


class Originals:
    """Reads what is no file of its own by its absolute path. The last archive stays open."""

    def __init__(self) -> None:
        self._archive, self._sources = b"", JobSources(JobOptions((), b"/", ""))

    def holds(self, path: bytes) -> bool:
        """Whether a path leads into an archive, or stands for an address."""
        return bool(address_of_path(path) or self._above(path))

    @staticmethod
    def is_in_list(path: bytes) -> bool:
        """Whether a path stands for an address whose secrets are in a list, which is not read."""
        return line_of(address_of_path(path)) is not None

    def content(self, path: bytes) -> ClassifiedContent | None:
        """What an original contains; None if there is none, or if it cannot be read."""
        if address := address_of_path(path):
            return self._fetched(address)
        if (archive := self._above(path)) != self._archive:
            self._sources.close()
            self._archive, self._sources = archive, JobSources(JobOptions((archive,), b"/", ""))
        return _content(*self._sources.source_of(path).read(path, MAX_FILE_BYTES))

    def _fetched(self, address: bytes) -> ClassifiedContent | None:
        with closing(JobSources(JobOptions((address,), b"/", ""))) as sources, suppress(SetupError):
            return _content(*sources.source_of(address).read(address, MAX_FILE_BYTES))
        return None

    def _above(self, path: bytes) -> bytes:
        """The archive that a path leads into; empty if there is none."""
        if self._archive and path.startswith(self._archive + b"/"):
            return self._archive
        folder = os.path.dirname(path)
        while not os.path.lexists(folder):
            folder = os.path.dirname(folder)
        if os.path.isdir(folder):
            return b""
        return folder if JobSources(JobOptions((folder,), b"/", "")).has_others else b""


def _content(data: bytes | Status, _: Stamp) -> ClassifiedContent | None:
    return ClassifiedContent(len(data), digest(data)) if isinstance(data, bytes) else None


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

    def __init__(self, log: SortLog, remaining: Remaining, passed: Callable[[int], None]) -> None:
        """`passed` gets the number of files that are back or stay."""
        self._log, self._remaining, self._passed = log, remaining, passed
        self._originals = Originals()

    def run(self) -> Counter[str]:
        """Take the files back; returns how many by folder.

        Raises:
            SetupError: the disk is full or read-only; the same command continues.
        """
        count, log = Counter[str](), self._log
        for number in log.damaged:
            self._remaining.add(DAMAGED, f"{log.path}:{number}")
        for entries in batches(list(log.entries.values())[::-1], placing.BATCH_FILES):
            log.mark(State.RETURNING, entries)
            log.write()
            with Folders(log.out) as folders:
                back = placing.completed(
                    entries, folders, self._act, self._remove, self._refuse, self._passed
                )
            log.mark(State.OVER, back)
            log.mark(State.PLACED, log.under_way())
            count.update(entry.folder for entry in back)
        log.write()
        return count

    def _act(self, entry: Entry, folders: Folders) -> Identity | None:
        place = folders.placed_spot(entry)
        if place is None or place.stat() is None:
            _require(entry.way is not Way.MOVE or _is_back(entry, folders), GONE)
            return None
        if entry.way is Way.MOVE:
            info = place.stat()
            is_same = info is not None and info.st_ino == entry.inode
            _require(is_same or content_at(place) == entry.content, REPLACED)
            return self._move_back(entry, place, folders.source_spot(entry, make=True))
        if entry.way is Way.COPY:
            _require(content_at(place) == entry.content, EDITED)
        if not self._originals.holds(entry.source):
            self._remove_second(entry, place, folders.source_spot(entry))
        else:
            _require(not self._originals.is_in_list(entry.source), LIST_UNREAD)
            _require(self._originals.content(entry.source) == entry.content, SOURCE_GONE)
            transfer.remove(place, entry.content, entry.aside(self._log.name))
        return None

    def _remove_second(self, entry: Entry, place: Spot, source: Spot) -> None:
        """Remove a copy or a link that has the bytes of its original. Raises FileStays if the
        original is gone, or has others."""
        try:
            transfer.remove(place, source, entry.aside(self._log.name))
        except FileStays:
            raise FileStays(SOURCE_GONE) from None

    def _move_back(self, entry: Entry, place: Spot, source: Spot) -> Identity | None:
        part = Spot(source.folder, entry.part(self._log.name))
        try:
            if transfer.move(place, source, None):
                return None
            return transfer.copy(place, source, part, None)
        except FileExistsError:
            raise FileStays(TAKEN) from None

    def _remove(self, entry: Entry, copied: Identity, folders: Folders) -> None:
        transfer.remove(folders.goal_spot(entry), copied, entry.aside(self._log.name))

    def _refuse(self, entry: Entry, error: FileStays | OSError) -> None:
        self._remaining.refuse(entry.place_text, error)


def _is_back(entry: Entry, folders: Folders) -> bool:
    """Whether a person has put a file back."""
    try:
        return folders.source_spot(entry).stat() is not None
    except FileStays:
        return False


def _require(good: bool, why: str) -> None:
    if not good:
        raise FileStays(why)
