"""Settles what was under way when a process ended: each file is shown to be where it was, or where
it was to go. Whatever is found, no file is removed unless its content was seen elsewhere.
"""

from __future__ import annotations

from contextlib import suppress

from producer.sort_log.log import Entry, SortLog, State, Way, batches
from producer.sorting import placing, transfer
from producer.sorting.folders import FileStays, Folders, Spot, content_at, same_file


def settle(log: SortLog) -> None:
    """Settle all open entries of a log.

    Raises:
        SetupError: a file cannot be read or renamed; the next command tries again.
    """
    for entries in batches(log.under_way(), placing.BATCH_FILES):
        placed, over = list[Entry](), list[Entry]()
        try:
            with Folders(log.out) as folders:
                for entry in entries:
                    done = is_placed(entry, log.open[entry.row], folders, log.name)
                    (placed if done else over).append(entry)
                folders.sync()
        except OSError as error:
            raise transfer.stopped(entry.shown, error) from error
        log.mark(State.PLACED, placed)
        log.mark(State.OVER, over)
        log.write()


def is_placed(entry: Entry, state: State, folders: Folders, log: str) -> bool:
    """Whether the file lies in its folder now, as this log's."""
    place, source = folders.placed(entry), None
    with suppress(FileStays):  # its folder was removed
        source = folders.source(entry)
    for spot in (source, place):
        if spot is not None:
            transfer.unlink(Spot(spot.folder, entry.part(log)))
            aside = Spot(spot.folder, entry.aside(log))
            if aside.stat() is not None:
                transfer.put_back(aside, spot)
    is_returning, is_gone = state is State.RETURNING, source is None or source.stat() is None
    if place is None or place.stat() is None:
        # Another program has taken a file that `--undo` was about to move, which reports it.
        return is_gone and is_returning and entry.way is Way.MOVE
    if entry.way is Way.MOVE:
        return _is_moved(entry, is_returning, source, place, log)
    if entry.way is Way.LINK and not is_returning:
        return source is not None and same_file(source, place)
    return is_returning or content_at(place) == entry.content


def _is_moved(entry: Entry, is_returning: bool, source: Spot | None, place: Spot, log: str) -> bool:
    """The same for a file in its place that is being moved in either direction. What was complete
    at both ends is removed at its goal."""
    if source is not None and source.stat() is not None:
        goal, origin = (source, place) if is_returning else (place, source)
        is_second_name = same_file(source, place)  # between `link` and `unlink`
        if is_second_name or transfer.is_on_another_disk(source, place):
            with suppress(FileStays):  # it differs, and both stay
                transfer.remove(goal, origin, entry.aside(log))
        return is_returning
    if is_returning or content_at(place) == entry.content:
        return True
    info = place.stat()
    if source is not None and info is not None and info.st_ino == entry.inode:
        transfer.put_back(place, source)  # it was changed while it was moved
    return False
