"""The members of an archive in the order of their rows' names, in 8 bytes each."""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from producer.sources.archives.members import Bounds, Member, row_name
from producer.sources.local.directory_listing import END, FOLDER, unpacked

#: The bits of a member's number, and of its place.
_NUMBER, _PLACE = 20, 43
#: The number of records held as objects; more are packed into runs.
_RUN = 1 << 14
_NONE: tuple[bytes, Member | None] = (b"", None)
_TAIL = len(END) + 8


class MemberIndex:
    """Finds members by name. Names are read again from the archive: they are not in memory."""

    def __init__(
        self,
        members: Iterable[Member],
        at: Callable[[int], Member],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`at` reads the member whose header starts at a place. `check` is called again and again,
        and may raise what ends this. Raises ArchiveTooLarge, ArchiveDamaged."""
        self._at = at
        runs = _runs(_records(members), check)
        again = list[bytes]()
        self._entries = array("Q", (_packed(record) for record in _first(runs, again)))
        if again:
            everything = heapq.merge(_first(runs, []), sorted(again))
            self._entries = array("Q", map(_packed, everything))
        #: Members are mostly looked up in order, and each as soon as it is listed.
        self._next, self._passed = 0, _NONE

    def __len__(self) -> int:
        return len(self._entries)

    def after(self, name: bytes) -> Iterator[tuple[bytes, Member]]:
        """The names of rows after `name`, and their members."""
        start = bisect_right(self._entries, name, key=self._name) if name else 0
        for packed in islice(self._entries, start, None):
            member = self._member(packed)
            name = row_name(member)
            self._passed = name, member
            yield name, member

    def find(self, name: bytes) -> Member | None:
        """The member whose row has this name."""
        if name == self._passed[0]:
            return self._passed[1]
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
        number = bounds.check(member)
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


def _first(runs: list[bytes], again: list[bytes]) -> Iterator[bytes]:
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
