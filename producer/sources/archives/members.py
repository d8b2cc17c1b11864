"""The members of an archive: their limits, and the names of their rows.

A member's name is a path below the archive. One that leads elsewhere (absolute, `..`), is too long
or has a NUL byte, and one that an earlier member has, is a row that fails: its name ends with `//`
and the number of the member in the archive. No other row has `//` in its name.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import SetupError
from shared.messages.files import MAX_PATH_BYTES, fits

#: An archive with more members is refused: 8 bytes of each are in memory, of a compressed tar 100.
MEMBERS_MAX = 1_000_000
#: Likewise of names together, which are in memory until they are sorted.
NAMES_MAX_BYTES = 64 << 20
#: As much of a longer name is in the name of its row.
_SHOWN_BYTES = 1_000
_MARK = b"//"
#: A component that is empty or `.`, which says nothing.
_IDLE = (b"", b".")


#: A plain tar is at most this large: places have 43 bits.
PLACE_MAX = (1 << 43) - 1


class ArchiveDamaged(Exception):
    """The members from some place on cannot be read; the text is the reason."""


class ArchiveTooLarge(SetupError):
    """An archive beyond the limits."""


class Member(NamedTuple):
    """A member as its header describes it. The kind is that of an entry of a folder
    (producer/sources/local/directory_listing.py)."""

    name: bytes  #: as the archive has it
    kind: bytes
    place: int  #: where its header starts
    size: int
    mark: int  #: what shows a change beside the size: CRC-32, or time in ns
    number: int = 0  #: from 1, in the archive's order
    is_repeat: bool = False  #: whether an earlier member has its name


def row_name(member: Member) -> bytes:
    """The name of its row, below that of the archive."""
    name = cleaned(member.name)
    if name and not member.is_repeat:
        return name
    shown = (name or member.name).replace(b"\0", b"%00")
    return b"%s//%d" % (
        shown if len(shown) <= MAX_PATH_BYTES else shown[:_SHOWN_BYTES],
        member.number,
    )


def is_refused(row: bytes) -> bool:
    """Whether the row of this name fails because of the member's name."""
    return _MARK in row


def cleaned(name: bytes) -> bytes:
    """A member's name without components that say nothing; empty if it cannot be a row's."""
    if fits(name):
        return name
    components = [each for each in name.split(b"/") if each not in _IDLE]
    leads_out = name.startswith(b"/") or b".." in components
    clean = b"/".join(components)
    return b"" if leads_out or b"\0" in name or len(clean) > MAX_PATH_BYTES else clean


class Bounds:
    """Counts the members of an archive as they are read."""

    def __init__(self) -> None:
        self._members = self._bytes = 0

    def check(self, member: Member) -> int:
        """Count one more member; return its number. Raises ArchiveTooLarge."""
        self._members += 1
        self._bytes += len(member.name)
        if member.place > PLACE_MAX:
            raise ArchiveTooLarge(f"it has more than {PLACE_MAX:,} bytes")
        if self._members > MEMBERS_MAX:
            raise ArchiveTooLarge(f"it has more than {MEMBERS_MAX:,} members")
        if self._bytes > NAMES_MAX_BYTES:
            raise ArchiveTooLarge(
                f"the names of its members have more than {NAMES_MAX_BYTES:,} bytes"
            )
        return self._members
