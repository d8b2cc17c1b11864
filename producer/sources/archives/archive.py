"""An open archive: its members by the names of their rows, and their bytes.

A member's name is a path below the archive. One that leads elsewhere (absolute, `..`), is too long
or has a NUL byte, and one that an earlier member has, is a row that fails: its name ends with `//`
and the number of the member in the archive. No other row has `//` in its name.
"""

from __future__ import annotations

import heapq
import os
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from producer.sources.folder_walk import END, FOLDER, unpacked
from shared import regular_file
from shared.image_status import Status
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
#: The last position that a file can have. Headers may claim one of more bits.
POSITION_MAX = (1 << 63) - 1
#: What a member's row has instead of a label, whatever is wrong with the member.
BAD = Status.UNREADABLE
#: The bits of a member's number, and of its place.
_NUMBER, _PLACE = 20, 43
#: The number of records held as objects; more are packed into runs.
_RUN = 1 << 14
_TAIL = len(END) + 8


class ArchiveDamaged(Exception):
    """The members from some place on cannot be read, or are beyond the limits; the text is the
    reason."""


class Member(NamedTuple):
    """A member as its header describes it. The kind is that of an entry of a folder
    (producer/sources/folder_walk.py)."""

    name: bytes  #: as the archive has it
    kind: bytes
    place: int  #: where its header starts
    size: int
    mark: int  #: what shows a change beside the size: CRC-32, or time in ns
    number: int = 0  #: from 1, in the archive's order
    is_repeat: bool = False  #: whether an earlier member has its name


def row_name(member: Member) -> bytes:
    """The name of its row, below that of the archive."""
    name = row_path(member.name)
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


def row_path(name: bytes) -> bytes:
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

    def count(self, member: Member) -> int:
        """Count one more member; return its number. Raises ArchiveDamaged."""
        self._members += 1
        self._bytes += len(member.name)
        if member.place > PLACE_MAX:
            raise ArchiveDamaged(f"it has more than {PLACE_MAX:,} bytes")
        if self._members > MEMBERS_MAX:
            raise ArchiveDamaged(f"it has more than {MEMBERS_MAX:,} members")
        if self._bytes > NAMES_MAX_BYTES:
            raise ArchiveDamaged(
                f"the names of its members have more than {NAMES_MAX_BYTES:,} bytes"
            )
        return self._members


class ArchiveFile:
    """Bytes at any position, closed once nothing reads them: a walk may go on in a file that was
    replaced. Raises OSError if there is no such file."""

    def __init__(self, path: bytes) -> None:
        self._fd = -1
        self._fd = regular_file.open_fd(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def size(self) -> int:
        """Its size now."""
        return os.fstat(self._fd).st_size

    def read(self, count: int, at: int) -> bytes:
        """The bytes from a position on; fewer at the end. Raises OSError."""
        return os.pread(self._fd, count, at) if at <= POSITION_MAX else b""


class Archive(ABC):
    """One file, as it was when it was opened. Used by one thread at a time."""

    #: Why there may be further members, which have no rows; empty if there are none.
    damage = ""
    #: Whether its members come in byte order of their rows' names, or in its own.
    is_sorted = True

    def __init__(self, file: ArchiveFile, check: Callable[[], None]) -> None:
        """`check` is called again and again while members are searched, and may raise what ends
        that. Raises ArchiveDamaged, OSError."""
        self.file, self.check = file, check

    @abstractmethod
    def members(self, after: bytes) -> Iterator[tuple[bytes, Member]]:
        """The names of all members' rows after one, and the members. Raises ArchiveDamaged, also of
        a name that is not there, and OSError."""

    @abstractmethod
    def find(self, row: bytes) -> Member | None:
        """The member whose row has this name. Raises as `members`."""

    @abstractmethod
    def content(self, row: bytes, member: Member, most: int) -> bytes | Status:
        """The first bytes of a file among the members, `most` or all, or why there are none. Raises
        OSError."""

    def close(self) -> None:  # noqa: B027  the file is closed with its last reader
        """No member is looked up any more; walks go on."""


class MemberIndex:
    """Finds members by name, in the order of their rows' names, in 8 bytes each. Names are read
    again from the archive: they are not in memory."""

    def __init__(
        self,
        members: Iterable[Member],
        at: Callable[[int], Member],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`at` reads the member whose header starts at a place. `check` is called again and again,
        and may raise what ends this. Raises ArchiveDamaged."""
        self._at = at
        runs = _runs(_records(members), check)
        again = list[bytes]()
        self._entries = array("Q", (_packed(record) for record in _first_of_each_name(runs, again)))
        if again:
            everything = heapq.merge(_first_of_each_name(runs, []), sorted(again))
            self._entries = array("Q", map(_packed, everything))
        self._next = 0  #: members are mostly looked up in order, and each as soon as it is listed

    def __len__(self) -> int:
        return len(self._entries)

    def after(self, name: bytes) -> Iterator[tuple[bytes, Member]]:
        """The names of rows after `name`, and their members."""
        start = bisect_right(self._entries, name, key=self._name) if name else 0
        for at in range(start, len(self._entries)):
            self._next = at
            member = self._member(self._entries[at])
            yield row_name(member), member

    def find(self, name: bytes) -> Member | None:
        """The member whose row has this name."""
        at = self._next
        if at >= len(self._entries) or self._name(self._entries[at]) != name:
            at = bisect_left(self._entries, name, key=self._name)
        if at == len(self._entries) or row_name(member := self._member(self._entries[at])) != name:
            return None
        self._next = at + 1
        return member

    def _name(self, packed: int) -> bytes:
        return row_name(self._member(packed))

    def _member(self, packed: int) -> Member:
        number, flagged_place = packed & (1 << _NUMBER) - 1, packed >> _NUMBER
        place, is_repeat = flagged_place >> 1, bool(flagged_place & 1)
        return self._at(place)._replace(number=number, is_repeat=is_repeat)


def _records(members: Iterable[Member]) -> Iterator[bytes]:
    """Name, NUL, and what the index has of each member, except folders. Numbers start from 1."""
    bounds = Bounds()
    for member in members:
        number = bounds.count(member)
        if member.kind is not FOLDER:
            yield _record(member._replace(number=number))


def _record(member: Member) -> bytes:
    packed = (member.place << 1 | member.is_repeat) << _NUMBER | member.number
    return row_name(member) + END + packed.to_bytes(8, "big")


def _packed(record: bytes) -> int:
    return int.from_bytes(record[-8:], "big")


def _runs(records: Iterable[bytes], check: Callable[[], None]) -> list[bytes]:
    """Sorted runs of records, each packed into one object."""
    records, runs = iter(records), list[bytes]()
    while run := sorted(islice(records, _RUN)):
        runs.append(b"".join(run))
        check()
    return runs


def _first_of_each_name(runs: list[bytes], again: list[bytes]) -> Iterator[bytes]:
    """The first record of each name, in order; those of further ones are added to `again`."""
    last = None
    for record in heapq.merge(*(unpacked(run, _TAIL) for run in runs)):
        name = record[:-_TAIL]
        if name != last:
            yield record
        else:
            again.append(_repeated(name, _packed(record)))
        last = name


def _repeated(name: bytes, packed: int) -> bytes:
    number, place = packed & (1 << _NUMBER) - 1, packed >> _NUMBER + 1
    return _record(Member(name, b"", place, 0, 0, number, is_repeat=True))
