"""The lines in the log of a sort."""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from shared.errors import MISFITS, BadMessage
from shared.messages.files import printable

#: The number of the form of a log and its record.
FORMAT = 1


class Way(enum.StrEnum):
    """How a file comes into its folder."""

    COPY = "copy"
    LINK = "link"  #: a hard link
    MOVE = "move"


class State(enum.StrEnum):
    """How far a file is. Its line is synced before it is touched, so a process that ends in between
    leaves PLACING or RETURNING, and the file itself shows what was done."""

    PLACING = "placing"
    PLACED = "placed"
    RETURNING = "returning"  #: `--undo` is taking it back
    OVER = "over"  #: it is back, or was not placed


class ClassifiedContent(NamedTuple):
    """What was classified."""

    size: int
    crc: bytes  #: as in the journal: CRC-32, little-endian


class Started(msgspec.Struct, frozen=True, tag="started", tag_field="line"):
    """The first line of a log."""

    form: int
    way: Way
    rule: str  #: a digest of the folder of each row
    at: float  #: seconds since 1970


class Entry(msgspec.Struct, frozen=True, tag="file", tag_field="line", gc=False):
    """A file that was placed in OUT/FOLDER/NAME, or is about to be."""

    row: int  #: from 0
    way: Way
    source: bytes  #: absolute path, without symbolic links above the typed folder
    folder: str
    name: bytes
    content: ClassifiedContent
    inode: int  #: of the source when it was planned

    @property
    def shown(self) -> str:
        """Its source for people."""
        return printable(self.source)

    @property
    def shown_place(self) -> str:
        """Its place below OUT for people."""
        return f"{self.folder}/{printable(self.name)}"

    def part(self, log: str) -> bytes:
        """The name of an incomplete copy; `log` is the name of its log."""
        return f".hangtag-{log}-{self.row}.part".encode()

    def aside(self, log: str) -> bytes:
        """The name of a file that is checked before it is removed."""
        return f".hangtag-{log}-{self.row}.aside".encode()


class Marked(msgspec.Struct, frozen=True, tag="marked", tag_field="line"):
    """The state of files from this line on."""

    state: State
    rows: list[int]


Line = Started | Entry | Marked
_LINES: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def decode(content: bytes) -> Line:
    """Raises BadMessage."""
    try:
        return _LINES.decode(content)
    except MISFITS as error:
        raise BadMessage(str(error)) from error
