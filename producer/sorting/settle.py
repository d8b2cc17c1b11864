"""Settles what was under way when a process ended: each file is shown to be where it was, or where
it was to go. In every case no file is removed unless its content was seen elsewhere.
"""

from __future__ import annotations

import os
from contextlib import suppress

from producer.sort_log.log import Entry, SortLog, State, Way, batches
from producer.sorting import placing, transfer
from producer.sorting.folders import FileStays, Folders, Spot, content_at


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
            raise transfer.stopped(entry.source_text, error) from error
        log.mark(State.PLACED, placed)
        log.mark(State.OVER, over)
        log.write()


def is_placed(entry: Entry, state: State, folders: Folders, log: str) -> bool:
    """Whether the file lies in its folder now, as this log's."""
    place, source = folders.placed_spot(entry), None
    with suppress(FileStays):  # its folder was removed
        source = folders.source_spot(entry)
    for spot in (source, place):
        if spot is not None:
            transfer.unlink(Spot(spot.folder, entry.part(log)))
            aside = Spot(spot.folder, entry.aside(log))
            if aside.stat() is not None:
                transfer.put_back(aside, spot)
    is_returning = state is State.RETURNING
    there = None if source is None else source.stat()
    if place is None or (here := place.stat()) is None:
        # Another program has taken a file that `--undo` was about to move, which reports it.
        return there is None and is_returning and entry.way is Way.MOVE
    if there is not None and entry.way is Way.MOVE:
        assert source is not None
        # What was complete at both ends is removed at its goal: two names of one file are a rename
        # without its end, files on two disks a copy.
        goal, origin = (source, place) if is_returning else (place, source)
        if os.path.samestat(there, here) or there.st_dev != here.st_dev:
            with suppress(FileStays):  # it differs, and both stay
                transfer.remove(goal, origin, entry.aside(log))
        return is_returning
    if entry.way is Way.LINK and not is_returning:
        return there is not None and os.path.samestat(there, here)
    if is_returning or content_at(place) == entry.content:
        return True
    if entry.way is Way.MOVE and source is not None and here.st_ino == entry.inode:
        transfer.put_back(place, source)  # it was changed while it was moved
    return False
