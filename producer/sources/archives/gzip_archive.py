"""A tar archive that gzip has compressed: read in its own order, in one pass.

Each reader of the members has a tape of its own. A member's bytes come from the tape that has just
come to its header; any other member costs a second tape, which goes forward, or back to a state of
the decompressor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from producer.sources.archives.archive import BAD, Archive
from producer.sources.archives.archive_file import ArchiveFile
from producer.sources.archives.members import (
    ArchiveDamaged,
    ArchiveTooLarge,
    Bounds,
    Member,
    row_name,
)
from producer.sources.archives.place_table import PlaceTable
from producer.sources.archives.tape import GzipTape, States, Tape
from producer.sources.archives.tar_headers import (
    TarMember,
    TarReader,
    read_member,
)
from producer.sources.local.directory_listing import FOLDER
from shared.image_status import Status

_NUMBER_BITS = 20


class GzipArchive(Archive):
    """Members in the archive's order. Where those are that were passed is known."""

    def __init__(self, file: ArchiveFile, check: Callable[[], None]) -> None:
        super().__init__(file, check)
        self._states, self._places, self._bounds = States(), PlaceTable(), Bounds()
        self._known = 0  #: the number of members whose places are known
        self._passes = dict[int, _Pass]()
        self._search = self._pass(0, 0)
        self._second = TarReader(self._new_tape(), self._place_of)
        next(self._search, None)  # raises of a file that is no such archive

    def members(self, after: bytes) -> Iterator[tuple[bytes, Member]]:
        start = number = 0
        if after:
            last = self.find(after)
            if last is None:
                raise ArchiveDamaged("it was changed since the job started")
            number = last.number
            start = self._second.at(last.place).next
        for row, there in self._pass(start, number):
            yield row, there.member

    def find(self, row: bytes) -> Member | None:
        for one in self._passes.values():
            if one.row == row and one.there is not None:
                return one.there.member
        while not (packed := self._places.get(row)) and next(self._search, None) is not None:
            pass
        if not packed:
            return None
        number, place = packed & (1 << _NUMBER_BITS) - 1, packed >> _NUMBER_BITS + 1
        is_repeat = bool(packed >> _NUMBER_BITS & 1)
        member = self._second.at(place).member
        return member._replace(number=number, is_repeat=is_repeat)

    def content(self, row: bytes, member: Member) -> bytes | Status:
        try:
            tape, there = self._reader(row, member)
            tape.seek(there.data)
            data = tape.read(member.size)
        except ArchiveDamaged:
            return BAD
        return BAD if there.is_sparse or len(data) < member.size else data

    def head(self, row: bytes, member: Member, count: int) -> bytes:
        try:
            tape, there = self._reader(row, member)
            tape.seek(there.data)
            return tape.read(min(count, member.size))
        except ArchiveDamaged:
            return b""

    def close(self) -> None:
        self._search = iter(())

    def _reader(self, row: bytes, member: Member) -> tuple[Tape, TarMember]:
        """A tape that is at a member, or comes to it."""
        for one in self._passes.values():
            if one.row == row and one.there is not None and one.there.data > member.place:
                return one.tape, one.there
        return self._second.tape, self._second.at(member.place)

    def _place_of(self, row: bytes) -> int | None:
        packed = self._places.get(row)
        return packed >> _NUMBER_BITS + 1 if packed else None

    def _new_tape(self) -> GzipTape:
        return GzipTape(self.file, self._states, self.check)

    def _pass(self, start: int, number: int) -> Iterator[tuple[bytes, TarMember]]:
        """The members from a position on, where one of this number ends."""
        mine = _Pass(self._new_tape())
        self._passes[id(mine)] = mine
        try:
            while (there := read_member(mine.tape, start)) is not None:
                number, start = number + 1, there.next
                if there.member.kind is FOLDER:
                    self._count(there.member, number)
                    continue
                there = self._second.resolved(there)
                member = self._numbered(there.member, number)
                mine.row, mine.there = row_name(member), there._replace(member=member)
                yield mine.row, mine.there
            mine.tape.check_rest()
        except ArchiveDamaged as error:
            if not start:
                raise
            self.damage = str(error)
        except ArchiveTooLarge as error:
            self.damage = str(error)
        finally:
            del self._passes[id(mine)]

    def _count(self, member: Member, number: int) -> bool:
        """Whether this is the first pass that comes to a member. Raises ArchiveTooLarge."""
        if number <= self._known:
            return False
        self._known = self._bounds.check(member)
        return True

    def _numbered(self, member: Member, number: int) -> Member:
        """The member with its number, and whether another has its name."""
        is_new = self._count(member, number)
        alone = member._replace(number=number)
        row = row_name(alone)
        packed = self._places.get(row)
        if packed and packed & (1 << _NUMBER_BITS) - 1 != number:
            alone = alone._replace(is_repeat=True)
            row = row_name(alone)
        if is_new:
            place = member.place << 1 | alone.is_repeat
            self._places.put(row, place << _NUMBER_BITS | number)
        return alone


class _Pass:
    """One way through the archive, and the member that it is at."""

    def __init__(self, tape: GzipTape) -> None:
        self.tape = tape
        self.row = b""
        self.there: TarMember | None = None
