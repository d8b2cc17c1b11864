"""Lists one directory in path order, in little memory: as sorted runs of packed names."""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

#: The kind of an entry. A folder's name ends in "/", so that full paths are sorted.
FOLDER, FILE, LINK, SPECIAL = b"d", b"f", b"l", b"s"
#: A file that is walked like a folder, with a slash at its end, too.
ARCHIVE = b"a"
#: The number of names held as objects. A larger directory is held as runs of packed names.
RUN_NAMES = 1 << 14
#: Ends a name; sorts before every character of a name.
END = b"\0"
_TAIL = len(END + FILE)

ListedEntry = tuple[bytes, bytes]  # name, kind


def listing(
    folder: bytes,
    check: Callable[[], None] = lambda: None,
    is_archive: Callable[[bytes], bool] | None = None,
) -> Iterator[ListedEntry]:
    """Every entry, in byte order of the full paths. Raises OSError before the first entry. `check`
    is called again and again, and may raise what ends it. `is_archive` chooses files by name."""
    check()
    with os.scandir(folder) as entries:
        records: Iterator[bytes] = map(_record, entries)
        if is_archive is not None:
            records = (_or_archive(record, is_archive) for record in records)
        records = _sorted(records, check)
    return ((record[:-_TAIL], record[-1:]) for record in records)


def _record(entry: os.DirEntry[bytes]) -> bytes:
    if entry.is_symlink():
        return entry.name + END + LINK
    if entry.is_dir(follow_symlinks=False):
        return entry.name + b"/" + END + FOLDER
    return entry.name + END + (FILE if entry.is_file(follow_symlinks=False) else SPECIAL)


def _or_archive(record: bytes, is_archive: Callable[[bytes], bool]) -> bytes:
    name = record[:-_TAIL]
    chosen = record.endswith(END + FILE) and is_archive(name)
    return name + b"/" + END + ARCHIVE if chosen else record


def _sorted(records: Iterable[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    """The records in order. Reads all of them before it returns."""
    records, runs = iter(records), list[bytes]()
    while len(run := sorted(islice(records, RUN_NAMES))) == RUN_NAMES:
        runs.append(b"".join(run))
        check()
    return heapq.merge(*(unpacked(each, _TAIL) for each in runs), run) if runs else iter(run)


def unpacked(run: bytes, tail: int) -> Iterator[bytes]:
    """The records of a run. Each is a name and `tail` bytes, of which END is the first."""
    start = 0
    while start < len(run):
        end = run.index(END, start) + tail
        yield run[start:end]
        start = end
