"""What follows a journal that has replaced another one: the table, which lies beside its place
until then.

The rename of the journal is the moment from which a table is brought up to date. A process that
ends after it leaves the rest to the next one that opens the journal.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from producer.journal import journal_lock, property_table
from producer.journal.sqlite_errors import sqlite_errors
from shared import atomic_file, regular_file
from shared.errors import MISFITS
from shared.failpoints import failpoint

#: The property of a job that holds what follows its journal; empty or missing: nothing.
FOLLOWING = "following"
_NEXT = ".hangtag-next"
_REMEDY = "fix this and run the same command again; the table is brought up to date then"


class Following(msgspec.Struct, frozen=True):
    """What follows a journal."""

    replaced: str = ""  #: SHA-256 of the table that is replaced; empty: there was none


def next_output(output: Path) -> Path:
    """The table that is written beside another one, which it is to replace. Its journal has a name
    like that of any table."""
    return Path(f"{output}{_NEXT}")


def typed_output(output: Path) -> Path:
    """The table that a user has typed: the one that this is to replace, or this one."""
    return output.with_name(output.name.removesuffix(_NEXT))


def is_next(journal: Path) -> bool:
    """Whether this is the journal of such a table."""
    return journal.with_suffix("").name.endswith(_NEXT)


def encode_following(following: Following) -> bytes:
    """JSON."""
    return msgspec.json.encode(following)


def settle(database: sqlite3.Connection, output: Path) -> None:
    """Complete what follows the open journal of this table, whose lock the caller holds.

    Raises:
        SetupError: a file cannot be written.
        sqlite3.DatabaseError: the journal is damaged.
    """
    data = property_table.get(database, FOLLOWING)
    if not data:
        return
    try:
        following = msgspec.json.decode(data, type=Following)
    except MISFITS as error:
        raise sqlite3.DatabaseError("what follows the journal is damaged") from error
    draft = next_output(output)
    with atomic_file.writing(output, _REMEDY):
        if draft.exists() and _sha256(output) in ("", following.replaced):
            os.replace(draft, output)
            atomic_file.sync_folder(output.parent)
            failpoint("update.table-placed")
    discard(output)
    with database:
        property_table.put(database, **{FOLLOWING: b""})
    failpoint("update.settled")


def settle_alone(journal: Path, output: Path) -> None:
    """The same of a journal that no process has open. Raises UsageError if another one has it,
    SetupError."""
    lock = journal_lock.take(journal)
    try:
        settle_held(journal, output)
    finally:
        os.close(lock)


def settle_held(journal: Path, output: Path) -> None:
    """The same of a journal whose lock the caller holds. Raises SetupError."""
    with sqlite_errors(journal), closing(sqlite3.connect(journal)) as database:
        database.execute("PRAGMA synchronous=FULL")
        settle(database, output)


def discard(output: Path) -> None:
    """Remove a table that was to replace another one, with all that lies beside it."""
    start = next_output(output).name
    with suppress(OSError), os.scandir(output.parent) as entries:
        names = sorted(entry.name for entry in entries if entry.name.startswith(start))
        for path in map(output.with_name, names):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                atomic_file.remove(path)
            failpoint("update.file-removed")


def _sha256(path: Path) -> str:
    try:
        return regular_file.sha256(path)
    except FileNotFoundError:
        return ""
