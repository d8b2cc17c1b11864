"""One file in the log of a sorted folder, and the tables of the log.

Names are found by 64-bit hashes: if two have the same, a file gets a number without need.
"""

from __future__ import annotations

import enum
import hashlib
import os
from typing import Any, NamedTuple

from shared.labels.class_folders import folded
from shared.messages.files import printable


class Way(enum.StrEnum):
    """How a file comes into its folder."""

    COPY = "copy"
    LINK = "link"  #: a hard link
    MOVE = "move"


class State(enum.IntEnum):
    """How far a file is. The log is synced before a file is touched, so a process that ends in
    between leaves PLACING or RETURNING, and the file itself shows what was done."""

    PLACING = 0
    PLACED = 1
    RETURNING = 2  #: `--undo` is at it


class Content(NamedTuple):
    """What was classified."""

    size: int
    crc: bytes  #: as in the journal: CRC-32, little-endian


class Entry(NamedTuple):
    """A file that was placed in OUT/FOLDER/NAME, or is about to be."""

    sorting: int  #: number of the sorted table in the log
    row: int  #: number of the row, from 0
    way: Way
    state: State
    source: bytes  #: absolute path, without symbolic links above the typed folder
    folder: str
    name: bytes
    content: Content
    inode: int  #: of the source when it was planned

    @property
    def shown(self) -> str:
        """Its source for people."""
        return printable(self.source)

    def part(self, token: str) -> bytes:
        """The name of an incomplete copy."""
        return self._beside(token, "part")

    def aside(self, token: str) -> bytes:
        """The name of a file that is checked before it is removed."""
        return self._beside(token, "aside")

    def _beside(self, token: str, what: str) -> bytes:
        return f".hangtag-{token}-{self.sorting}-{self.row}.{what}".encode()

    @property
    def key(self) -> tuple[int, int]:
        """Identifies it in the log."""
        return self.sorting, self.row


VERSION = 1
TABLES = (
    "CREATE TABLE log (token TEXT NOT NULL)",
    # A table that was sorted into this folder. `rule` is a digest of the folder of each row.
    "CREATE TABLE sorting (id INTEGER PRIMARY KEY, output TEXT NOT NULL UNIQUE, job TEXT NOT NULL,"
    " way TEXT NOT NULL, rule TEXT NOT NULL)",
    # `source_hash` is of the source, `place` of the folder and the name without regard to case,
    # `wanted` of the folder and the name before it got a number.
    "CREATE TABLE file (sorting INTEGER NOT NULL, row INTEGER NOT NULL, way TEXT NOT NULL,"
    " state INTEGER NOT NULL, source BLOB NOT NULL, folder TEXT NOT NULL, name BLOB NOT NULL,"
    " size INTEGER NOT NULL, crc BLOB NOT NULL, inode INTEGER NOT NULL,"
    " source_hash INTEGER NOT NULL, place INTEGER NOT NULL, wanted INTEGER NOT NULL,"
    " serial INTEGER NOT NULL, PRIMARY KEY (sorting, row)) WITHOUT ROWID",
    "CREATE UNIQUE INDEX file_place ON file (place)",
    "CREATE INDEX file_source ON file (source_hash)",
    "CREATE INDEX file_wanted ON file (wanted, serial)",
    f"CREATE INDEX file_open ON file (state) WHERE state != {State.PLACED.value}",
    # Folders that did not exist before; the empty name is OUT itself.
    "CREATE TABLE made (folder TEXT PRIMARY KEY)",
)
COLUMNS = "sorting, row, way, state, source, folder, name, size, crc, inode"


def source_hash(source: bytes) -> int:
    """The number by which the entry of a source is found."""
    return int.from_bytes(hashlib.blake2b(source, digest_size=8).digest(), "little", signed=True)


def place_hash(folder: str, name: bytes) -> int:
    """Of a name, equal for those that some file system takes for one."""
    text = folded(f"{folder}/{os.fsdecode(name)}")
    return source_hash(text.encode(errors="surrogatepass"))


def entry_of(row: tuple[Any, ...]) -> Entry:
    """The entry in the cells of COLUMNS."""
    sorting, number, way, state, source, folder, name, size, crc, inode = row
    content = Content(size, crc)
    return Entry(sorting, number, Way(way), State(state), source, folder, name, content, inode)
