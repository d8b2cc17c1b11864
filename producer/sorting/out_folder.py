"""The folder that files are sorted into: made with its log, and removed with it.

The index knows of it before it exists and until it is gone, so a process that ends in between
leaves nothing that `--undo` does not find.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from producer.locations import sorted_into
from producer.sort_log.log import SortLog
from producer.sort_log.log_file import NOT_NEW, New
from producer.sort_log.log_tables import new_token
from producer.sorting import sort_index
from shared import atomic_file
from shared.failpoints import failpoint
from shared.labels.class_folders import SORT_LOG


def new_log(out: str) -> SortLog:
    """The log of a folder, both created if they are missing. Raises SetupError, UsageError."""
    return SortLog(Path(out, SORT_LOG), _made(out), create=True)


def log_of(out: str) -> SortLog:
    """The log of a folder that has one. Raises SetupError, UsageError."""
    return SortLog(Path(out, SORT_LOG), left_by(out))


def left_by(out: str) -> New:
    """What an empty log of a folder gets: nothing, unless a process has ended before it wrote it.
    Without that the log has been emptied."""
    left = sort_index.pending(os.fsencode(out))
    return _new(left) if left else NOT_NEW


def _made(out: str) -> New:
    """Make the folder, unless it has a log; returns what its log begins with."""
    if os.path.lexists(Path(out, SORT_LOG)):
        return left_by(out)
    folder = os.fsencode(out)
    left = sort_index.pending(folder)
    made = {*_missing(folder), *(left.made if left else ())}
    token = left.token if left else new_token()
    entry = sort_index.IndexedFolder(token, folder, tuple(sorted(made)))
    sort_index.remember(entry)
    with atomic_file.writing(Path(out), "choose another --into"):
        atomic_file.make_folder(Path(out))
        failpoint("sort.out-made")
    return _new(entry)


def _new(entry: sort_index.IndexedFolder) -> New:
    return New(entry.token, entry.out in entry.made)


def _missing(folder: bytes) -> list[bytes]:
    """Those of a folder and the ones above it that do not exist."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def was_left(out: str) -> bool:
    """Remove what a process has left that ended before the folder had a log, or after; returns
    whether there was one."""
    left = sort_index.pending(os.fsencode(out))
    if left is None or os.path.lexists(Path(out, SORT_LOG)):
        return False
    _remove_made(left)
    return True


def remove_log(log: SortLog, entry: sort_index.IndexedFolder) -> None:
    """Remove a log that has no entries left, the folders that it made, and its entry in the index.
    Raises SetupError."""
    out, made = str(log.path.parent), log.made()
    for table in log.tables():
        if table in entry.tables:
            sorted_into.forget(Path(table), out)
    for name in made:
        if name:
            _remove_empty(os.fsencode(os.path.join(out, name)))
    folder = os.fsencode(out)
    folders = {*entry.made, folder} if "" in made else {*entry.made}
    ends = sort_index.IndexedFolder(entry.token, folder, tuple(sorted(folders)))
    sort_index.remember(ends)
    log.remove()
    _remove_made(ends)


def _remove_made(entry: sort_index.IndexedFolder) -> None:
    """Remove the folder and those above it, as far as the sort made them and they are empty."""
    for folder in reversed(entry.made):  # the deepest first
        if (entry.out + b"/").startswith(folder + b"/"):
            _remove_empty(folder)
    sort_index.forget(entry.token)


def _remove_empty(folder: bytes) -> None:
    with suppress(OSError):
        os.rmdir(folder)
        failpoint("sort.folder-removed")
