"""Where a log's files may be put back: its own entries never decide that alone.

Allowed are the folders that this user's index recorded when the files were sorted, those of a
table that the command names, and with --back-to the folder that it names.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from producer.present.formatting import typed
from producer.sort_log.log import SortLog
from producer.sorting import sort_index
from producer.sorting.folders import Reach
from producer.sorting.source_folders import SourceFolders
from shared.errors import UsageError
from shared.messages.files import printable


def own(entry: sort_index.IndexedFolder, out: str) -> Reach:
    """The folders that an entry of the index has recorded."""

    def path(source: bytes) -> bytes:
        if not entry.sources.has(source):
            raise _foreign(out, source)
        return source

    return path


def check(log: SortLog, out: str, named: SourceFolders | None = None) -> sort_index.IndexedFolder:
    """The entry of a log in this user's index; `named` are the folders of a named table.

    Raises:
        UsageError: a file of the log came from another folder.
    """
    entry = recorded(log, out)
    if named is not None:
        entry = msgspec.structs.replace(entry, sources=entry.sources | named)
    reach = own(entry, out)
    for source in log.sources():
        reach(source)
    return entry


def recorded(log: SortLog, out: str) -> sort_index.IndexedFolder:
    """The entry of a log in this user's index, or an empty one."""
    indexed = sort_index.of_log(log.token)
    return indexed or sort_index.IndexedFolder(log.token, os.fsencode(out))


def with_table(entry: sort_index.IndexedFolder, out: str, table: Path) -> sort_index.IndexedFolder:
    """The entry with a table that is sorted into its folder, which is `out` now."""
    return msgspec.structs.replace(entry, out=os.fsencode(out), tables=entry.tables | {str(table)})


def back_to(log: SortLog, to: str) -> Reach:
    """Below `to`, which stands for the folder that all files of a log came from. That stays the
    same while there are fewer of them."""
    base = before = log.base
    for source in log.sources():
        folder = source.rpartition(b"/")[0]
        base = folder if base is None else os.path.commonpath([base or b"/", folder or b"/"])
        base = base.rstrip(b"/")
    if base != before and base is not None:
        log.set_base(base)
    start = (base or b"").rstrip(b"/")
    return lambda source: os.fsencode(to).rstrip(b"/") + source.removeprefix(start)


def _foreign(out: str, source: bytes) -> UsageError:
    command = typed(["hangtag", "sort", "--undo", out, "--back-to"])
    return UsageError(
        f"{printable(source)} is in the log of {out}, and no sort of yours on this machine took a "
        f"file from there; take the images back below a folder of your choice with: {command} DIR"
    )
