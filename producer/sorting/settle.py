"""Settles what was under way when a process ended: each file is shown to be where it was, or where
it was to go. Whatever is found, no file is removed unless its content was seen elsewhere.
"""

from __future__ import annotations

from contextlib import suppress

from producer.sort_log.entry import Entry, State, Way
from producer.sort_log.log import SortLog
from producer.sorting import transfer
from producer.sorting.folders import Folders, Reach
from producer.sorting.spots import FileStays, Spot, content_at, same_file
from shared.errors import SetupError


def settle(log: SortLog, out: bytes, reach: Reach) -> None:
    """Settle all open entries of a log.

    Raises:
        SetupError: a file cannot be read or renamed; the next command tries again.
    """
    entries = log.open_entries()
    if not entries:
        return
    placed, forgotten = list[Entry](), list[Entry]()
    try:
        with Folders(out, reach) as folders:
            for entry in entries:
                done = _Settling(entry, folders, log.token).is_placed()
                (placed if done else forgotten).append(entry)
            folders.sync()
    except OSError as error:
        raise SetupError(
            f"{entry.shown}: {error.strerror}; no file is lost: fix this and run the same command "
            "again"
        ) from error
    with log.transaction():
        log.mark(placed, State.PLACED)
        log.forget(forgotten)


class _Settling:
    """One entry, its spots cleared of incomplete copies."""

    def __init__(self, entry: Entry, folders: Folders, token: str) -> None:
        self._entry, self._aside = entry, entry.aside(token)
        self._place = folders.placed(entry)
        self._source: Spot | None = None
        with suppress(FileStays):  # its folder was removed
            self._source = folders.source(entry)
        for spot in (self._source, self._place):
            if spot is None:
                continue
            transfer.unlink(Spot(spot.folder, entry.part(token)))
            aside = Spot(spot.folder, self._aside)
            if aside.stat() is not None:
                transfer.put_back(aside, spot)

    def is_placed(self) -> bool:
        """Whether the file lies in its folder now, as this log's."""
        place, source, entry = self._place, self._source, self._entry
        if place is None or place.stat() is None:
            # Another program has taken a file that `--undo` was about to move, which reports it.
            gone = source is None or source.stat() is None
            return gone and entry.way is Way.MOVE and entry.state is State.RETURNING
        if entry.way is Way.MOVE and source is not None:
            return self._is_moved(source, place)
        if entry.state is State.RETURNING:
            return True
        if entry.way is Way.LINK:
            return source is not None and same_file(source, place)
        return content_at(place) == entry.content

    def _is_moved(self, source: Spot, place: Spot) -> bool:
        """The same for a file that is being moved in either direction."""
        placing = self._entry.state is State.PLACING
        if source.stat() is None:
            return self._is_ours(source, place) if placing else True
        goal, origin = (place, source) if placing else (source, place)
        if same_file(source, place):  # between `link` and `unlink`
            transfer.unlink(goal)
        elif _was_copied(origin, goal):
            with suppress(FileStays):  # it differs, and both stay
                transfer.remove(goal, origin, Spot(goal.folder, self._aside))
        return not placing

    def _is_ours(self, source: Spot, place: Spot) -> bool:
        """Whether the file in its folder is the one that was classified; if it was changed while it
        was moved, it is put back."""
        if content_at(place) == self._entry.content:
            return True
        info = place.stat()
        if info is not None and info.st_ino == self._entry.inode:
            transfer.put_back(place, source)
        return False


def _was_copied(origin: Spot, goal: Spot) -> bool:
    """Whether a move between two spots is a copy: they are on two file systems."""
    one, other = origin.stat(), goal.stat()
    return one is not None and other is not None and one.st_dev != other.st_dev
