"""One file in the log of a sorted folder.

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
    RETURNING = 2  #: `--undo` is taking it back


class ClassifiedContent(NamedTuple):
    """What was classified."""

    size: int
    crc: bytes  #: as in the journal: CRC-32, little-endian


class Entry(NamedTuple):
    """A file that was placed in OUT/FOLDER/NAME, or is about to be."""

    sorting: int  #: number of the sorted table in the log
    row: int  #: index of the row, from 0
    way: Way
    state: State
    source: bytes  #: absolute path, without symbolic links above the typed folder
    folder: str
    name: bytes
    content: ClassifiedContent
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


COLUMNS = "sorting, row, way, state, source, folder, name, size, crc, inode"
ENTRY_CELLS = COLUMNS.count(",") + 1
_TYPES = (int, int, str, int, bytes, str, bytes, int, bytes, int)


class Malformed(ValueError):
    """Cells that no entry has; the text says what is wrong."""


def source_hash(source: bytes) -> int:
    """The number by which the entry of a source is found."""
    return int.from_bytes(hashlib.blake2b(source, digest_size=8).digest(), "little", signed=True)


def place_hash(folder: str, name: bytes) -> int:
    """The hash of a name, equal for those that some file system takes for one."""
    text = folded(f"{folder}/{os.fsdecode(name)}")
    return source_hash(text.encode(errors="surrogatepass"))


def entry_of(row: tuple[Any, ...]) -> Entry:
    """The entry in the cells of COLUMNS. Raises Malformed, also for names that lead elsewhere."""
    if tuple(map(type, row)) != _TYPES:
        raise Malformed("has a cell of another type")
    sorting, number, way, state, source, folder, name, size, crc, inode = row
    if not is_name(os.fsencode(folder)) or not is_name(name):
        raise Malformed("has a place outside the folder")
    if not source.startswith(b"/") or not all(map(is_name, source[1:].split(b"/"))):
        raise Malformed("has a source that is no plain path")
    try:
        known = Way(way), State(state)
    except ValueError as error:
        raise Malformed(f"has an unknown state ({error})") from None
    return Entry(sorting, number, *known, source, folder, name, ClassifiedContent(size, crc), inode)


def is_name(name: bytes) -> bool:
    """Whether this names an entry of a folder, and leads nowhere else."""
    return name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name
